"""The wall clock: times that are written into objects and read again by another process."""

from __future__ import annotations

import time

from moorage_ipam.times import text_of


def now_text() -> str:
    """Now (RFC 3339, whole seconds)."""
    return text_of(time.time())
