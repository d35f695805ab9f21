"""Leader election: who may write, the holder of a Lease or every process."""
