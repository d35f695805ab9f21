"""Nothing a stranger sends, and nothing a stranger does not send, holds the webhook server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from pathlib import Path

import orjson
import pytest
from webhook_lab import Lab, ask, review, running

from moorage_domain.admission import AdmissionRequest, Allowed, Decision
from moorage_kube.webhook.connections import Limits, Stage, Visit
from moorage_kube.webhook.webhook import Webhook
from moorage_testing.waiting import until

HEAD = b"POST /check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
HASTY = Limits(handshake_seconds=0.3, request_seconds=0.3, idle_seconds=0.3)


def allow(_: AdmissionRequest) -> Decision:
    return Allowed()


CHECK = Webhook("/check", allow)


async def dropped(lab: Lab, reason: str) -> None:
    await until(lambda: lab.metric("dropped_connections_total", reason=reason) > 0, "a drop")


@pytest.mark.parametrize(
    "said",
    [b"", b"PO", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_who_does_not_finish_a_request_is_cut_off(tmp_path: Path, said: bytes) -> None:
    async with running(tmp_path, [CHECK], HASTY) as lab:
        reader, writer = await lab.raw()
        writer.write(said)
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        await dropped(lab, "late")
        await until(lambda: lab.metric("connections") == 0, "the connection to be gone")


async def test_who_sends_byte_by_byte_is_cut_off(tmp_path: Path) -> None:
    async with running(tmp_path, [CHECK], HASTY) as lab:
        reader, writer = await lab.raw()
        writer.write(HEAD + b"X-Long: ")
        cut = asyncio.create_task(reader.read())
        with contextlib.suppress(ConnectionError):
            while not cut.done():
                writer.write(b"x")
                await writer.drain()
                await asyncio.wait([cut], timeout=0.01)
        with contextlib.suppress(ConnectionError):
            await cut
        writer.close()
        await dropped(lab, "late")


async def test_who_never_shakes_hands_is_cut_off(tmp_path: Path) -> None:
    async with running(tmp_path, [CHECK], HASTY) as lab:
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.server.port)
        await until(lambda: lab.metric("connections") == 1, "the connection to be counted")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        await until(lambda: lab.metric("connections") == 0, "the connection to be gone")


@pytest.mark.parametrize("said", [b"\x00\xff" * 5000, b"GET / HTTP/9.9\r\n\r\n", b"x" * 100_000])
async def test_what_is_no_http_leaves_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with running(tmp_path, [CHECK]) as lab:
        reader, writer = await lab.raw()
        writer.write(said)
        with contextlib.suppress(ConnectionError):
            assert b" 400 " in (await reader.read())[:20]
        writer.close()
        await until(lambda: lab.metric("connections") == 0, "the connection to be gone")
        assert (await lab.ask())[0] == 200
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_flood_of_idle_connections_does_not_keep_anybody_out(tmp_path: Path) -> None:
    async with running(tmp_path, [CHECK], Limits(connections=20, spare_seconds=0.05)) as lab:
        async with lab.caller() as session:
            assert (await ask(session, f"{lab.url}/check"))[0] == 200
            strangers = [await lab.raw() for _ in range(60)]
            await dropped(lab, "full")
            assert lab.metric("connections") <= 20
            # Whoever asked something before keeps its connection: only strangers were ended.
            assert (await ask(session, f"{lab.url}/check"))[0] == 200
            assert lab.metric("dropped_connections_total", reason="full") >= 40
            assert (await lab.ask())[0] == 200
        for _, writer in strangers:
            writer.transport.abort()


async def test_a_flood_of_half_handshakes_does_not_keep_anybody_out(tmp_path: Path) -> None:
    async with running(tmp_path, [CHECK], Limits(connections=20, spare_seconds=0.05)) as lab:
        strangers = [socket.create_connection(("127.0.0.1", lab.server.port)) for _ in range(200)]
        assert (await lab.ask())[0] == 200
        assert lab.metric("connections") <= 20
        for stranger in strangers:
            stranger.close()


async def test_while_all_are_answering_the_next_one_waits(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    began: list[str] = []

    async def slow(request: AdmissionRequest) -> Decision:
        began.append(request.uid)
        await go_on.wait()
        return Allowed()

    async with running(
        tmp_path, [Webhook("/check", slow, deadline=60)], Limits(connections=2)
    ) as lab:
        asking = [asyncio.create_task(lab.ask()) for _ in range(5)]
        await until(lambda: len(began) == 2, "the first two to be in hand")
        go_on.set()
        assert [(await each)[0] for each in asking] == [200] * 5


async def test_large_bodies_are_taken_a_few_at_a_time(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    at_once: list[int] = [0, 0]

    async def slow(_: AdmissionRequest) -> Decision:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await go_on.wait()
        at_once[0] -= 1
        return Allowed()

    large = orjson.dumps(review(object={"data": "x" * 20_000}))
    limits = Limits(large_body_bytes=10_000, large_bodies=2)
    async with running(tmp_path, [Webhook("/check", slow, deadline=60)], limits) as lab:
        asking = [asyncio.create_task(lab.ask(body=large)) for _ in range(6)]
        await until(lambda: at_once[0] == 2, "two to be in hand")
        # A small one does not wait for them.
        small = asyncio.create_task(lab.ask())
        await until(lambda: at_once[0] == 3, "the small one to be in hand")
        go_on.set()
        assert [(await each)[0] for each in [*asking, small]] == [200] * 7
        assert at_once[1] == 3


def fill(port: int, strangers: list[socket.socket]) -> None:
    """Connect until this process, which the server runs in, has no file descriptor left."""
    while True:
        stranger = socket.socket()
        strangers.append(stranger)
        stranger.setblocking(False)  # noqa: FBT003 - the name of the method says it
        with contextlib.suppress(BlockingIOError):
            stranger.connect(("127.0.0.1", port))


async def test_without_file_descriptors_it_neither_dies_nor_spins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, [CHECK]) as lab:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        strangers: list[socket.socket] = []
        try:
            used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 12, before[1]))
            with pytest.raises(OSError, match="Too many open files"):
                fill(lab.server.port, strangers)
            begun = time.process_time()
            await until(lambda: "cannot accept connections" in caplog.text, "the warning")
            await asyncio.sleep(0.6)
            assert time.process_time() - begun < 5.0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for stranger in strangers:
                stranger.close()
        assert (await lab.ask())[0] == 200
    warnings = [each for each in caplog.records if "cannot accept" in each.message]
    assert len(warnings) == 1


def test_answering_is_never_late_and_each_other_stage_has_its_own_time() -> None:
    limits = Limits(handshake_seconds=1, request_seconds=2, idle_seconds=3)
    visit = Visit()
    for stage, seconds in ((Stage.HANDSHAKE, 1), (Stage.READING, 2), (Stage.IDLE, 3)):
        visit.turn(stage)
        assert not visit.late(limits, visit.since + seconds - 0.1)
        assert visit.late(limits, visit.since + seconds + 0.1)
    visit.turn(Stage.ANSWERING)
    assert not visit.late(limits, visit.since + 1e6)
