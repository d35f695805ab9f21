"""The gate passes everything, and nothing while it is cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from moorage_testing.lab import Gate

SECONDS = 20.0


@pytest.fixture
def gate() -> Iterator[Gate]:
    """In front of a server that says everything back."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo(one: socket.socket) -> None:
            with one:
                while data := one.recv(100):
                    one.sendall(data)

        def serve() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(one,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        with Gate(server.getsockname()[1]) as gate:
            yield gate
        server.shutdown(socket.SHUT_RDWR)


def connected(gate: Gate, seconds: float = SECONDS) -> socket.socket:
    port = urlsplit(gate.server).port
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), seconds)


def test_what_is_sent_comes_back(gate: Gate) -> None:
    with connected(gate) as one:
        one.sendall(b"hello")
        assert one.recv(100) == b"hello"


def test_while_it_is_cut_connections_are_silent_and_end_when_it_opens(gate: Gate) -> None:
    with connected(gate) as one:
        one.sendall(b"hello")
        assert one.recv(100) == b"hello"
        gate.cut()
        one.sendall(b"lost")
        one.settimeout(0.5)
        with pytest.raises(TimeoutError):
            one.recv(100)
        one.settimeout(SECONDS)
        gate.open()
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(100) == b""
    with connected(gate) as two:
        two.sendall(b"again")
        assert two.recv(100) == b"again"
