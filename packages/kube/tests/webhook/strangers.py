"""Strangers: send a webhook server all that is no good question, over hundreds of connections.

``python strangers.py PORT``; prints how many connections have ended so far, at each hundred, until
it is killed.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import sys

EACH = 60
SECONDS = 2.0
HEAD = b"POST /check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WITHOUT_TLS = {"nothing": b"", "garbage": b"\x00\xff" * 5000}
OVER_TLS = {
    "half a head": HEAD,
    "half a body": HEAD + b"Content-Length: 6000000\r\n\r\n" + b"[" * 100_000,
    "many at once": (HEAD + b"Content-Length: 2\r\n\r\n{}") * 5000,
    "no HTTP": b"x" * 100_000,
}


async def strange(port: int, said: bytes, context: ssl.SSLContext | None) -> None:
    """One connection: say it, and listen until the server or our patience ends it."""
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            try:
                writer.write(said)
                await reader.read()
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        pass


async def main(port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    ended = itertools.count(1)

    async def keep_on(said: bytes, context: ssl.SSLContext | None) -> None:
        while True:
            await strange(port, said, context)
            if (number := next(ended)) % 100 == 0:
                print(number, flush=True)  # noqa: T201 - for the test to read

    async with asyncio.TaskGroup() as strangers:
        for _ in range(EACH):
            for said in WITHOUT_TLS.values():
                strangers.create_task(keep_on(said, None))
            for said in OVER_TLS.values():
                strangers.create_task(keep_on(said, context))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
