"""Who may change the world: the holder of a Lease, or everybody."""
