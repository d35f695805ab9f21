"""Bodies of requests: in one piece or in chunks, up to the limit, with a clear end."""

from __future__ import annotations

import logging
from pathlib import Path

import orjson
import pytest
from webhook_lab import review, running

from moorage_domain.admission import AdmissionRequest, Allowed, Decision
from moorage_kube.webhook.connections import Limits
from moorage_kube.webhook.webhook import Webhook


def allow(_: AdmissionRequest) -> Decision:
    return Allowed()


CHECK = Webhook("/check", allow)
HEAD = b"POST /check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_a_body_in_chunks_is_answered(tmp_path: Path) -> None:
    body = orjson.dumps(review(uid="in-parts"))
    async with running(tmp_path, [CHECK]) as lab:
        reader, writer = await lab.raw()
        for _ in range(2):  # the connection stays
            writer.write(CHUNKED)
            for begin in range(0, len(body), 50):
                writer.write(chunk(body[begin : begin + 50]))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert b"in-parts" in await reader.readuntil(b"}}")
        writer.close()


async def test_a_body_in_chunks_is_read_up_to_the_limit(tmp_path: Path) -> None:
    async with running(tmp_path, [CHECK], Limits(body_bytes=100_000)) as lab:
        reader, writer = await lab.raw()
        writer.write(CHUNKED + chunk(b" " * 60_000))
        await writer.drain()
        writer.write(chunk(b" " * 60_000))
        # The end of it never comes.
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()
        assert (await lab.ask())[0] == 200


UNCLEAR = {
    "no length": (HEAD + b"\r\n", b"411"),
    "another coding": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"501"),
    "both": (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
    "no chunk": (CHUNKED + b"hello", b"400"),
    "no chunk after one": (CHUNKED + chunk(b"{}") + b"hello\r\n", b"400"),
}


@pytest.mark.parametrize("name", UNCLEAR)
async def test_a_body_without_a_clear_end_is_refused_once(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, status = UNCLEAR[name]
    async with running(tmp_path, [CHECK]) as lab:
        reader, writer = await lab.raw()
        writer.write(sent)
        answered = await reader.read()
        assert answered.startswith(b"HTTP/1.1 " + status)
        assert answered.count(b"Date: ") == 1
        writer.close()
        assert (await lab.ask())[0] == 200
    assert [one.message for one in caplog.records if one.levelno >= logging.WARNING] == []
