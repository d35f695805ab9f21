"""The part core: reserved addresses of clouds follow healthy nodes."""
