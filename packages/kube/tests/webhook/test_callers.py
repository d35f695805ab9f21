"""Callers that must show a certificate: who may call, who may not, and what a file may do."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme
from webhook_lab import Lab, ask, client_context, running

from moorage_domain.admission import AdmissionRequest, Allowed, Decision
from moorage_kube.webhook.callers import Callers
from moorage_kube.webhook.webhook import Webhook

API_SERVER = "kube-apiserver"


class Asked:
    """A webhook that counts."""

    def __init__(self) -> None:
        self.count = 0
        self.webhook = Webhook("/check", self.decide)

    def decide(self, _: AdmissionRequest) -> Decision:
        self.count += 1
        return Allowed()


def authority_file(folder: Path, *authorities: trustme.CA) -> Path:
    path = folder / "callers.pem"
    path.write_bytes(b"".join(one.cert_pem.bytes() for one in authorities))
    return path


def certificate(
    authority: trustme.CA, name: str, *, group: str | None = None, ended: bool = False
) -> trustme.LeafCert:
    now = dt.datetime.now(dt.UTC)
    begin, end = now - dt.timedelta(days=2), now + dt.timedelta(days=-1 if ended else 1)
    return authority.issue_cert(
        "caller.test", common_name=name, organization_name=group, not_before=begin, not_after=end
    )


async def call(lab: Lab, shown: trustme.LeafCert | None) -> tuple[int, object]:
    """Ask with this certificate. What TLS 1.3 refuses is seen at the first read only."""
    context = client_context(lab.bundle)
    if shown is not None:
        shown.configure_cert(context)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await ask(session, f"{lab.url}/check")


async def is_cut_off(lab: Lab, shown: trustme.LeafCert | None) -> bool:
    """Whether there is no answer at all."""
    try:
        await call(lab, shown)
    except (aiohttp.ClientError, ssl.SSLError, ConnectionError):
        return True
    return False


async def test_only_whoever_shows_a_certificate_of_the_authority_is_answered(
    tmp_path: Path,
) -> None:
    ours, other, asked = trustme.CA(), trustme.CA(), Asked()
    callers = Callers(authority_file(tmp_path, ours))
    async with running(tmp_path, [asked.webhook], callers=callers) as lab:
        assert (await call(lab, certificate(ours, API_SERVER)))[0] == 200
        assert await is_cut_off(lab, None)
        assert await is_cut_off(lab, certificate(other, API_SERVER))
        assert await is_cut_off(lab, certificate(ours, API_SERVER, ended=True))
        assert (await call(lab, certificate(ours, API_SERVER)))[0] == 200
    assert asked.count == 2


@pytest.mark.parametrize(
    ("names", "name", "group", "status"),
    [
        ((), API_SERVER, None, 200),
        ((), "system:node:n1", "system:nodes", 403),
        ((), "system:node:n1", None, 403),
        ((), "n1", "system:nodes", 403),
        ((API_SERVER,), API_SERVER, None, 200),
        ((API_SERVER, "other"), "system:node:n1", "system:nodes", 403),
        ((API_SERVER,), "admin", "system:masters", 403),
        (("caller.test",), "admin", "system:masters", 200),
        (("system:node:n1",), "system:node:n1", "system:nodes", 200),
    ],
)
async def test_the_names_in_a_certificate_decide(
    tmp_path: Path, names: tuple[str, ...], name: str, group: str | None, status: int
) -> None:
    authority, asked = trustme.CA(), Asked()
    callers = Callers(authority_file(tmp_path, authority), names)
    async with running(tmp_path, [asked.webhook], callers=callers) as lab:
        code, said = await call(lab, certificate(authority, name, group=group))
        assert code == status
        assert asked.count == (status == 200)
        if status == 403:
            assert isinstance(said, str)
            assert name in said
            assert "may not call" in said


async def test_a_new_authority_is_trusted_and_an_old_one_is_not_any_more(tmp_path: Path) -> None:
    before, after, asked = trustme.CA(), trustme.CA(), Asked()
    callers = Callers(authority_file(tmp_path, before), refresh_seconds=0.02)
    async with running(tmp_path, [asked.webhook], callers=callers) as lab:
        assert (await call(lab, certificate(before, API_SERVER)))[0] == 200
        authority_file(tmp_path, before, after)
        async with asyncio.timeout(60):
            while await is_cut_off(lab, certificate(after, API_SERVER)):
                pass
        assert not await is_cut_off(lab, certificate(before, API_SERVER))
        authority_file(tmp_path, after)
        async with asyncio.timeout(60):
            while not await is_cut_off(lab, certificate(before, API_SERVER)):
                pass
        assert (await call(lab, certificate(after, API_SERVER)))[0] == 200


@pytest.mark.parametrize("content", [b"", b"none", b"\xff\x00", None])
def test_a_file_that_is_no_authority_leaves_what_was_known_and_is_said_once(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = authority_file(tmp_path, trustme.CA())
    callers = Callers(path)
    assert callers.ready() == "no authority of callers yet"
    callers.refresh()
    assert callers.ready() is None
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    for _ in range(3):
        callers.refresh()
    assert callers.ready() is None
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(path) in warnings[0].getMessage()


def test_without_an_authority_it_is_not_ready(tmp_path: Path) -> None:
    callers = Callers(tmp_path / "missing.pem")
    callers.refresh()
    assert callers.ready() == f"{tmp_path / 'missing.pem'}: No such file or directory"
