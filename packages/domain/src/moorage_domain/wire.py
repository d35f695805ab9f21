"""Objects as they come over the wire: whatever they are, what is read of them has a type; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def as_map(value: object) -> Raw:
    """The value if it is an object, else an empty one."""
    # Nearly all are dicts, and whether something is a Mapping takes long to find out.
    return value if isinstance(value, dict | Mapping) else {}


def as_maps(value: object) -> list[Raw]:
    """The objects among a list; of anything else none."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
