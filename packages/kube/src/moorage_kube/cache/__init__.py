"""Caches: what is kept of the cluster, and how it is kept true."""
