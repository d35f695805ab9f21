"""Garbage collection as it suits a process that keeps much and lives long."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

YOUNG_OBJECTS: Final = 5_000
"""So many new objects before the young are looked through: a request of a webhook has hundreds,
of which a reference count frees nearly all."""
_YOUNG_PER_MIDDLE: Final = 5
"""More would let one look at the middle ones take 20 ms, which a request would wait for."""
_MIDDLE_PER_OLD: Final = 200
GROWN_BYTES: Final = 2 * 1024 * 1024
LOOK_SECONDS: Final = 5.0
_MOST_SHARE: Final = 0.01
"""Of the time, that whole looks may take: nothing else runs meanwhile."""
_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
"""M_ARENA_MAX and M_MMAP_THRESHOLD of malloc.h."""
_LARGE_BYTES: Final = 128 * 1024
_LIBC: Final = ctypes.CDLL(None)


def settle() -> None:
    """Call once all modules are loaded: they are not looked through again, and the rest less often.

    Only cycles wait longer to be freed. Measured with webhooks: a tenth more requests a second.
    All threads share one heap: their own ones would keep 7 MiB that nobody uses, and for the lock
    they wait anyway.
    """
    _libc("mallopt", _ARENA_MAX, 1)
    # The default until the first large block is freed; from then on they would lie in the heap.
    _libc("mallopt", _MMAP_THRESHOLD, _LARGE_BYTES)
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


async def give_back(forget: Callable[[], None], look_seconds: float = LOOK_SECONDS) -> None:
    """For ever: free what only a whole look finds, once the process has grown, and give it back.

    What lived for a while and died in a cycle, as what kopf keeps of an object, waits for a look
    at the old ones, which :func:`settle` puts off far; and malloc keeps what is free in between.
    Else a thousand objects that come and go would cost 10 MiB, each time. ``forget`` empties what
    is only kept to be fast, once all is at rest: what lies among it could not be given back.
    """
    least, again = _resident_bytes(), False
    while True:
        await asyncio.sleep(look_seconds)
        now = _resident_bytes()
        grown = now - least >= GROWN_BYTES
        least = min(least, now)
        if grown or again:
            if not grown:
                forget()
            seconds = _collect()
            least = _resident_bytes()
            # Once more when it has come to rest: what was in use during this look is free by then.
            again = grown
            await asyncio.sleep(seconds / _MOST_SHARE)


def _collect() -> float:
    """Free all garbage, and what is free to the system; in seconds what it took."""
    begun = time.perf_counter()
    gc.collect()
    _libc("malloc_trim", 0)
    return time.perf_counter() - begun


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _libc(name: str, *arguments: int) -> None:
    """Call what only glibc has; another malloc has its own ways."""
    function = getattr(_LIBC, name, None)
    if function is not None:
        function(*arguments)
