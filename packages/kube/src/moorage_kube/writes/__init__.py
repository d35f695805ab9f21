"""Writes: what is changed of objects, each as one patch that fits only what was read."""
