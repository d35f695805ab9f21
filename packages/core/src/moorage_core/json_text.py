"""JSON that is kept: as the key of a cache, or to know again what has not changed."""

from __future__ import annotations

import orjson

KEPT_BYTES = 512 * 1024
"""Of JSON, in each cache of what was read, written or sealed; an entry of a status takes about 600.

Of hundreds one or two change at a time, so cost grows with changes and not with addresses.
"""


def json_text(value: object, *, sort_keys: bool = False) -> bytes:
    """The JSON of a value, in no more memory than it needs.

    What orjson returns keeps the room that it was written into: 4 KiB for 600 bytes, as long as it
    lives. Raises ``TypeError`` for what is no JSON.
    """
    written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    return bytes(memoryview(written))
