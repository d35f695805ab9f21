"""A stranger: keeps 3,000 connections open to a port and sends requests without end.

Prints how many it has begun so far, whenever that is a thousand more, until it is killed.
"""

from __future__ import annotations

import resource
import selectors
import socket
import sys

CONNECTIONS = 3000
PIPELINE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 500


def begin(port: int) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(0)
    connection.connect_ex(("127.0.0.1", port))
    return connection


def main(port: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    selector = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        selector.register(begin(port), selectors.EVENT_WRITE)
    begun = CONNECTIONS
    print(begun, flush=True)  # noqa: T201 - for the test to read
    while True:
        for key, events in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                if events & selectors.EVENT_WRITE:
                    connection.send(PIPELINE)
                    selector.modify(connection, selectors.EVENT_READ)
                elif not connection.recv(1 << 20):
                    raise ConnectionResetError
            except OSError:
                selector.unregister(connection)
                connection.close()
                selector.register(begin(port), selectors.EVENT_WRITE)
                begun += 1
                if begun % 1000 == 0:
                    print(begun, flush=True)  # noqa: T201 - for the test to read


if __name__ == "__main__":
    main(int(sys.argv[1]))
