"""Pools: which addresses there are, who may have them, and whether a pool may go."""
