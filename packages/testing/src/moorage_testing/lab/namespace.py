"""A network namespace: one without a name that ends with its process, or one that is there."""

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self, TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
COMMAND_SECONDS = 20.0


class Namespace:
    """A network namespace, and a thread that lives in it.

    With `path`, the file of one that is there, it is that one. Else it is new, and nothing on the
    machine but descriptors of this process hold it, so it vanishes with all its links when this
    process ends, however that happens, and no two processes can collide by a name.
    """

    def __init__(self, path: str = "") -> None:
        """Make a namespace with `lo` up, or enter one; raises OSError where this is not allowed."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="namespace")
        try:
            enter = partial(_enter, path) if path else _enter_new
            self._descriptor = self._thread.submit(enter).result()
        except OSError:
            self._thread.shutdown()
            raise
        if not path:
            self.ip("link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """A file by which any process can enter the namespace, as long as this one runs."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` in the namespace, one at a time, and return what it returns.

        Sockets that it opens stay in the namespace, and can be used from anywhere.
        """
        return self._thread.submit(function).result()

    def run(self, *argv: str) -> str:
        """Run a command in the namespace; returns its output, raises CalledProcessError."""
        path = shutil.which(argv[0]) or argv[0]

        def work() -> str:
            ended = subprocess.run(  # noqa: S603 - the tests' own commands
                [path, *argv[1:]],
                capture_output=True,
                text=True,
                check=False,
                timeout=COMMAND_SECONDS,
            )
            if ended.returncode:
                ended.check_returncode() if not ended.stderr else _fail(ended)
            return ended.stdout

        return self.call(work)

    def ip(self, *arguments: str) -> str:
        """Run `ip` of iproute2 in the namespace."""
        return self.run("ip", *arguments)

    def set(self, name: str, value: str) -> None:
        """Set a kernel setting of this namespace, for instance `net/ipv4/conf/all/arp_ignore`."""

        def write() -> None:
            with open(f"/proc/sys/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - a kernel setting
                file.write(value)

        self.call(write)

    def close(self) -> None:
        """Let the namespace go; may be repeated."""
        self._thread.shutdown()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _enter_new() -> int:
    """Give this thread a namespace of its own; returns a descriptor that keeps it."""
    if _LIBC.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)


def _enter(path: str) -> int:
    """Have this thread live in a namespace; returns a descriptor that keeps it."""
    descriptor = os.open(path, os.O_RDONLY)
    if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
        os.close(descriptor)
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


def _fail(ended: "subprocess.CompletedProcess[str]") -> None:
    what = " ".join(ended.args)
    raise OSError(f"{what}: {ended.stderr.strip()}")
