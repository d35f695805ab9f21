"""Projections: what is kept of the objects of Kubernetes; all of it pure."""
