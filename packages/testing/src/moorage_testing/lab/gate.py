"""A node's road to the API server, which can be cut without a word, as a network is."""

import contextlib
import selectors
import socket
import threading
from typing import Self

_LOOK_SECONDS = 0.05
_CHUNK = 1 << 16


class Gate:
    """Passes TCP on to one port of this machine; while it is cut, nothing passes, without a word.

    Connections stay open while it is cut, and end when it is opened again: what was sent meanwhile
    is lost, as with a network that took too long.
    """

    def __init__(self, port: int) -> None:
        """Listen on a free port of 127.0.0.1 for connections to `port`."""
        self._target = port
        self._cut = threading.Event()
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, name="gate", daemon=True)]
        self._threads[0].start()

    @property
    def server(self) -> str:
        """The address to use instead of the API server's own."""
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Let nothing pass any more, in either direction."""
        self._cut.set()

    def open(self) -> None:
        """Let new connections pass; the old ones end."""
        self._cut.clear()

    def close(self) -> None:
        """End all connections, and listen no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        self._listener.settimeout(_LOOK_SECONDS)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                one, _ = self._listener.accept()
                thread = threading.Thread(target=self._pass, args=(one,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, one: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            if self._wait_while_cut():
                return
            with socket.create_connection(("127.0.0.1", self._target)) as other:
                self._pump(one, other)

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(one, selectors.EVENT_READ, other)
            selector.register(other, selectors.EVENT_READ, one)
            while not self._stop.is_set() and not self._wait_while_cut():
                for key, _ in selector.select(_LOOK_SECONDS):
                    source = key.fileobj
                    if not isinstance(source, socket.socket) or self._cut.is_set():
                        break
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    key.data.sendall(data)

    def _wait_while_cut(self) -> bool:
        """Wait until it is open or closed for good; whether anything may have been lost."""
        lost = self._cut.is_set()
        while self._cut.is_set() and not self._stop.wait(_LOOK_SECONDS):
            pass
        return lost
