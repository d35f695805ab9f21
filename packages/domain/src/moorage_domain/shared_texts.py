"""One copy of a text that thousands of objects have, such as a label: never kept for good."""

from __future__ import annotations

from typing import Final

MOST_TEXTS: Final = 32_768
"""So many are known at a time; then all are forgotten, and known again as they come."""
LONGEST: Final = 128
"""In characters: what is longer is hardly the same twice."""

_known: dict[str, str] = {}


def shared(text: str) -> str:
    """The copy of a text that everybody has who asks here; it compares and hashes alike.

    Not ``sys.intern``: from Python 3.12 on, what is interned may stay for as long as the process
    does, and these texts are written by tenants.
    """
    if len(text) > LONGEST:
        return text
    if len(_known) >= MOST_TEXTS:
        _known.clear()
    return _known.setdefault(text, text)
