"""Decisions about claims and pools: pure."""
