"""Decisions about a Service: from what is observed to a plan; all of it pure."""
