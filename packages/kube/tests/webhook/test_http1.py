"""One connection of the webhook server: whatever is sent, in whatever pieces, has an answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry
from webhook_lab import Lab, review, running

from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Patched
from moorage_kube.webhook.answering import Answering
from moorage_kube.webhook.connections import Limits, Visit
from moorage_kube.webhook.http1 import Connection
from moorage_kube.webhook.metrics import webhook_metrics
from moorage_kube.webhook.webhook import Webhook
from moorage_testing.waiting import until


def allow(_: AdmissionRequest) -> Decision:
    return Allowed()


CHECK = Webhook("/check", allow)


def request(*headers: str, **changes: Any) -> bytes:
    body = orjson.dumps(review(**changes))
    lines = [
        "POST /check HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, str], bytes]:
    """The first line, headers and body of one answer."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    headers = dict(line.split(": ", 1) for line in lines if line)
    return first.encode(), headers, await reader.readexactly(int(headers["Content-Length"]))


def uid(body: bytes) -> str:
    return str(orjson.loads(body)["response"]["uid"])


@pytest.mark.parametrize("more", [request(uid="two") * 50, b"\x00\xff", b"GET / HTTP/9.9\r\n\r\n"])
async def test_of_all_that_is_sent_at_once_the_first_request_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, more: bytes
) -> None:
    async with running(tmp_path, [CHECK]) as lab:
        reader, writer = await lab.raw()
        writer.write(request(uid="one") + more)
        first, headers, body = await answer(reader)
        assert (first, headers["Connection"]) == (b"HTTP/1.1 200 OK", "close")
        assert uid(body) == "one"
        assert await reader.read() == b""
        writer.close()
        assert count(lab) == 1
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("size", [1, 7, 500])
async def test_a_request_may_come_in_pieces(tmp_path: Path, size: int) -> None:
    async with running(tmp_path, [CHECK]) as lab:
        reader, writer = await lab.raw()
        for name in ("one", "two"):
            sent = request(uid=name)
            for begin in range(0, len(sent), size):
                writer.write(sent[begin : begin + size])
                await writer.drain()
            first, headers, body = await answer(reader)
            assert (first, uid(body)) == (b"HTTP/1.1 200 OK", name)
            assert headers["Date"].endswith(" GMT")
        writer.close()


@pytest.mark.parametrize("size", [0, 60_000, 70_000, 3_000_000])
async def test_a_body_of_any_size_arrives_whole(tmp_path: Path, size: int) -> None:
    seen: list[int] = []

    def measure(asked: AdmissionRequest) -> Decision:
        seen.append(len((asked.object or {})["data"]))
        return Allowed()

    async with running(tmp_path, [Webhook("/check", measure)]) as lab:
        reader, writer = await lab.raw()
        for _ in range(2):
            writer.write(request(object={"data": "x" * size}))
            assert (await answer(reader))[0] == b"HTTP/1.1 200 OK"
        writer.close()
    assert seen == [size, size]


async def test_who_asks_more_while_an_answer_is_awaited_is_to_ask_again(tmp_path: Path) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: AdmissionRequest) -> Decision:
        began.set()
        await go_on.wait()
        return Allowed()

    async with running(tmp_path, [Webhook("/check", slow, deadline=30)]) as lab:
        reader, writer = await lab.raw()
        writer.write(request(uid="one"))
        await began.wait()
        writer.write(request(uid="two"))
        await writer.drain()
        # Answered after it on the same loop, so the server has seen the other one.
        assert (await lab.ask("/nowhere"))[0] == 404
        go_on.set()
        _, headers, body = await answer(reader)
        assert (uid(body), headers["Connection"]) == ("one", "close")
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    "header", ["Connection: close", "Connection: Upgrade\r\nUpgrade: websocket"]
)
async def test_a_connection_that_is_not_to_be_kept_is_closed(tmp_path: Path, header: str) -> None:
    async with running(tmp_path, [CHECK]) as lab:
        reader, writer = await lab.raw()
        writer.write(request(header))
        first, headers, _ = await answer(reader)
        assert (first, headers["Connection"]) == (b"HTTP/1.1 200 OK", "close")
        assert await reader.read() == b""
        writer.close()


async def test_who_sends_a_body_that_is_too_long_reads_why_not(tmp_path: Path) -> None:
    async with running(tmp_path, [CHECK], Limits(body_bytes=4096)) as lab:
        reader, writer = await lab.raw()
        writer.write(request(object={"data": "x" * 2_000_000}))
        first, headers, body = await answer(reader)
        assert first == b"HTTP/1.1 413 Request Entity Too Large"
        assert headers["Connection"] == "close"
        assert body == b"a body has at most 4096 bytes\n"
        writer.close()
        await until(lambda: lab.metric("connections") == 0, "the connection to be gone")


async def test_a_second_length_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, [CHECK]) as lab:
        reader, writer = await lab.raw()
        writer.write(request("Content-Length: 5"))
        assert (await answer(reader))[0] == b"HTTP/1.1 400 Bad Request"
        assert await reader.read() == b""
        writer.close()


async def test_who_hangs_up_ends_the_decision(tmp_path: Path) -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(_: AdmissionRequest) -> Decision:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Allowed()

    async with running(tmp_path, [Webhook("/check", slow, deadline=600)]) as lab:
        _, writer = await lab.raw()
        writer.write(request())
        await began.wait()
        writer.transport.abort()
        await cancelled.wait()


@pytest.mark.parametrize("kind", ["plain", "awaited"])
async def test_a_patch_that_is_no_json_is_an_error_of_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    def wrong(_: AdmissionRequest) -> Decision:
        return Patched(({"op": "add", "path": "/a", "value": object()},))

    async def wrong_later(asked: AdmissionRequest) -> Decision:
        return wrong(asked)

    async with running(
        tmp_path, [Webhook("/check", wrong_later if kind == "awaited" else wrong)]
    ) as lab:
        assert await lab.ask() == (500, "the server failed, see its log\n")
    assert "a request could not be answered" in caplog.text


class Unread(asyncio.Transport):
    """A transport whose other end reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        pass

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def test_who_does_not_read_answers_is_not_read_either() -> None:
    metrics = webhook_metrics("lab", CollectorRegistry())
    connection = Connection(Answering([CHECK], metrics, Limits()), Visit(), lambda _: None)
    transport = Unread()
    connection.connection_made(transport)
    connection.pause_writing()
    assert not transport.reading
    # What was on its way already is answered still, and does not change that.
    connection.data_received(request(object={"data": "x" * 10_000}))
    assert not transport.reading
    connection.resume_writing()
    assert transport.reading


def count(lab: Lab) -> float:
    return lab.metric("duration_seconds_count", webhook="/check")
