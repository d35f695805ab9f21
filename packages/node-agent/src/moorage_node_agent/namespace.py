"""Where the network hands of an agent are: its own network namespace, or that of a path."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000


class Namespace:
    """Runs functions in a network namespace; a socket stays in the one where it was opened."""

    def __init__(self, path: str = "") -> None:
        """Enter the namespace behind a file such as ``/proc/1/ns/net``; ``""`` = stay here.

        Raises ``OSError`` where that is not allowed.
        """
        self._thread: ThreadPoolExecutor | None = None
        if path:
            # A thread of its own: all else of this process stays where it is.
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="namespace")
            self._thread.submit(_enter, path).result()

    def call(self, function: Callable[[], T]) -> T:
        """What the function returns, run in the namespace; it must be short."""
        return function() if self._thread is None else self._thread.submit(function).result()


def _enter(path: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)
