"""Timestamps: the time of now as Kubernetes writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp() -> str:
    """Now, by the wall clock, in whole seconds (RFC 3339)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
