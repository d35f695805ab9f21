"""Reserved cloud addresses follow healthy nodes."""
