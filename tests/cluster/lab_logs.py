"""What the logs of controllers say in the tests on a real control plane."""

from __future__ import annotations

import re
from collections import Counter

_NOT_MADE = re.compile(
    r'([a-z]+)[a-z0-9.]* \\?"[^"\\]+\\?" is forbidden: unable to create new content in namespace'
)
_ENDING = "because it is being terminated"


def refused_rights(log: str) -> list[str]:
    """Lines that tell of a right that is missing.

    In a namespace that ends, perhaps another test's, nothing can be made: that is 403 as well.
    """
    return [line for line in log.splitlines() if "orbidden" in line and _ENDING not in line]


def not_made_in_ending_namespaces(log: str) -> Counter[str]:
    """How often something was refused for nothing but that its namespace ends; by resource."""
    return Counter(_NOT_MADE.findall(log))
