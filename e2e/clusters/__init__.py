"""The clusters that a release can be tried on."""
