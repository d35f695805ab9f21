"""The loop over one object: queue, reconciler."""
