"""Garbage collection as it suits a process that keeps much and lives long."""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 5_000
"""So many new objects before the young are looked through: a request of a webhook has hundreds,
of which a reference count frees nearly all."""
_YOUNG_PER_MIDDLE: Final = 5
"""More would let one look at the middle ones take 20 ms, which a request would wait for."""
_MIDDLE_PER_OLD: Final = 200


def settle() -> None:
    """Call once all modules are loaded: they are not looked through again, and the rest less often.

    Only cycles wait longer to be freed. Measured with webhooks: a tenth more requests a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, _YOUNG_PER_MIDDLE, _MIDDLE_PER_OLD)


def keep_caches() -> None:
    """Call once the caches are full: what there is then is not looked through again either.

    With fifty thousand objects in them that takes 100 ms and more, in the middle of a request.
    """
    # What died young goes first, else it would stay for ever; more would take as long now.
    gc.collect(1)
    gc.freeze()
