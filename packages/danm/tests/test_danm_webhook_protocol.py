"""How the admission service takes what is said to it: research/danm.md, §4.2, over real sockets."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from danm_admission_lab import JSON, Served, served
from danm_admission_objects import NS, pod, review

from moorage_danm.webhook import service
from moorage_danm.webhook.registration import FIRST_PATH, PATH


async def is_alive(lab: Served) -> bool:
    status, said = await lab.call(review(pod()))
    return status == 200 and said["response"]["allowed"] is True


async def test_adm_malformed_json(tmp_path: Path) -> None:
    async with served(tmp_path) as lab:
        status, said = await lab.call(b"{nope")
        assert (status, said) == (400, "the body is not JSON\n")
        counted = {"webhook": PATH, "operation": "", "decision": "refused"}
        assert lab.metric("webhook_requests_total", **counted) == 1
        assert await is_alive(lab)


@pytest.mark.parametrize(
    "body",
    [[], {}, review(pod()) | {"request": None}, review(pod()) | {"kind": "Foo"}],
    ids=["list", "empty", "no request", "another kind"],
)
async def test_adm_not_a_review(tmp_path: Path, body: Any) -> None:
    async with served(tmp_path) as lab:
        status, said = await lab.call(body)
        assert status == 400
        assert len(said.splitlines()) == 1
        assert await is_alive(lab)


async def test_adm_unknown_version(tmp_path: Path) -> None:
    async with served(tmp_path) as lab:
        unknown = review(pod()) | {"apiVersion": "admission.k8s.io/v9"}
        assert (await lab.call(unknown))[0] == 400
        older = review(pod()) | {"apiVersion": "admission.k8s.io/v1beta1"}
        status, said = await lab.call(older)
        assert (status, said["apiVersion"]) == (200, "admission.k8s.io/v1beta1")


@pytest.mark.parametrize("path", [PATH, FIRST_PATH, f"{PATH}?timeout=2s"])
async def test_adm_echo_contract(tmp_path: Path, path: str) -> None:
    question = review(pod(), uid="705ab4f5")
    async with served(tmp_path) as lab:
        status, said = await lab.call(question, path=path)
    assert status == 200
    assert said.keys() == {"apiVersion", "kind", "response"}
    assert (said["apiVersion"], said["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert said["response"]["uid"] == "705ab4f5"
    assert said["response"]["allowed"] is True
    assert not said["response"].keys() & {"patch", "patchType"}


async def test_adm_oversized(tmp_path: Path) -> None:
    padded = pod(annotations={"note": "x" * 2_900_000})
    async with served(tmp_path) as lab:
        assert (await lab.call(review(padded)))[0] == 200
        too_long = {"Content-Length": str(8 * 1024 * 1024 + 1)} | JSON
        reader, writer = await lab.raw()
        head = "".join(f"{name}: {value}\r\n" for name, value in too_long.items())
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{head}\r\n{{".encode())
        # It is refused by what it says, long before that much has come.
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()
        # One in chunks shows only as it comes how long it is, and is not waited for to its end.
        reader, writer = await lab.raw()
        head = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        for _ in range(9):
            writer.write(b"100000\r\n" + b" " * 1024 * 1024 + b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()
        assert await is_alive(lab)


@pytest.mark.parametrize("trickle", [b"X-A: b\r\n", b""], ids=["head", "body"])
async def test_adm_slowloris(tmp_path: Path, trickle: bytes) -> None:
    async with served(tmp_path) as lab:
        reader, writer = await lab.raw()
        begun = time.monotonic()
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode())
        if not trickle:
            writer.write(b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        ended = asyncio.ensure_future(reader.read())
        async with asyncio.timeout(60):
            while not ended.done():
                writer.write(trickle or b" ")
                await asyncio.wait({ended}, timeout=0.3)
                assert await is_alive(lab), "others are not delayed"
        # Not before the time for an honest but slow request is over.
        assert time.monotonic() - begun >= 5.0
        assert ended.exception() is not None or ended.result() == b""
        writer.close()
        assert lab.metric("webhook_dropped_connections_total", reason="late") == 1


async def test_adm_content_type(tmp_path: Path) -> None:
    body = review(pod())
    async with served(tmp_path) as lab:
        for fine in ("application/json", "application/json; charset=utf-8"):
            assert (await lab.call(body, headers={"Content-Type": fine}))[0] == 200
        assert (await lab.call(body, headers={"Content-Type": "text/plain"}))[0] == 415


async def test_adm_method(tmp_path: Path) -> None:
    async with served(tmp_path) as lab:
        for method in ("GET", "PUT", "DELETE"):
            assert (await lab.call(review(pod()), method=method))[0] == 405


async def test_adm_unknown_path(tmp_path: Path) -> None:
    async with served(tmp_path) as lab:
        for path in ("/", "/validate/more", "/status.html"):
            assert (await lab.call(review(pod()), path=path))[0] == 404


async def test_adm_deep_json(tmp_path: Path) -> None:
    async with served(tmp_path) as lab:
        status, _ = await lab.call(b"[" * 100_000 + b"]" * 100_000)
        assert status == 400
        # Also where JSON is read a second time: in the annotation.
        deep = {"danm.k8s.io/interfaces": "[" * 100_000 + "]" * 100_000}
        status, said = await lab.call(review(pod(annotations=deep)))
        assert (status, said["response"]["allowed"]) == (200, True)
        assert await is_alive(lab)


async def test_adm_handler_bug(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours must never keep a pod away."""

    def broken(*_: object) -> None:
        raise RuntimeError("s3cret of a bug")

    monkeypatch.setattr(service, "observed", broken)
    async with served(tmp_path) as lab:
        status, said = await lab.call(review(pod()))
        assert (status, said["response"]["allowed"]) == (200, True)
        (warning,) = said["response"]["warnings"]
        assert "see its log" in warning
        assert "s3cret" not in str(said)
        counted = {"webhook": PATH, "operation": "CREATE", "decision": "failed"}
        assert lab.metric("webhook_requests_total", **counted) == 1
    assert "the fail-safe answer is given" in caplog.text


async def test_adm_generate_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A pod of a controller may have no name yet: the log has the uid of the question."""
    caplog.set_level("INFO")
    nameless = pod(name=..., generateName="web-2-")  # type: ignore[arg-type]  # leaves it out
    async with served(tmp_path, lambda danm: danm.holder()) as lab:
        status, said = await lab.call(review(nameless, uid="question-7"))
        assert (status, said["response"]["allowed"]) == (200, True)
    (line,) = [one for one in caplog.records if "in use by pod" in one.getMessage()]
    assert line.__dict__["request"] == "question-7"
    assert line.__dict__["object"] == f"Pod {NS}/(new)"
