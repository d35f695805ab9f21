"""A check is content only with kinds that are served and a leader that renews its Lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moorage_domain.kinds import Kind
from moorage_kube.client.kinds import CONFIGMAPS, LEASES
from moorage_kube.manager import check
from moorage_kube.manager.check import Check, Renewed, check_lease, run_check
from moorage_kube.manager.settings import ElectedSettings
from moorage_testing.apiserver import ApiServer, serve_with_client
from moorage_testing.waiting import until

WIDGETS = Kind("example.com", "v1", "widgets", "Widget", namespaced=False)
LEASE_PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases/leader"
LEASE = Renewed("leader", "system")


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PAUSE_SECONDS", 0.01)


def renew(server: ApiServer, holder: str, when: str) -> None:
    server.put(LEASES, "leader", "system", spec={"holderIdentity": holder, "renewTime": when})


async def problem_with(*kinds: Kind, server: ApiServer | None = None) -> str | None:
    async with serve_with_client(server) as (_, client):
        return await Check(client, kinds, LEASE).wait(0.05)


async def test_a_leader_that_renews_is_found() -> None:
    async with serve_with_client() as (server, client):
        renew(server, "a_1", "2026-01-01T00:00:00Z")
        waiting = asyncio.create_task(Check(client, [CONFIGMAPS], LEASE).wait(10))
        await until(lambda: len(server.asked) > 4, "more than one look at the Lease")
        assert not waiting.done(), "one renewal may be that of a leader that is gone"
        renew(server, "a_1", "2026-01-01T00:00:02Z")
        assert await waiting is None


async def test_a_leader_that_is_gone_is_none() -> None:
    server = ApiServer()
    renew(server, "a_1", "2026-01-01T00:00:00Z")
    assert await problem_with(server=server) == (
        "a_1 holds the Lease system/leader and does not renew it"
    )


async def test_a_lease_that_was_given_up_has_no_leader() -> None:
    server = ApiServer()
    renew(server, "", "2026-01-01T00:00:00Z")
    assert "nobody holds the Lease system/leader" in str(await problem_with(server=server))


async def test_without_a_lease_nobody_ever_led() -> None:
    assert "there is no Lease system/leader" in str(await problem_with())


async def test_a_kind_that_is_not_served_is_named() -> None:
    server = ApiServer()
    server.fail("GET", status=404, path="/apis/example.com/v1/widgets", times=100)
    said = "the API server does not know widgets.example.com: install the CRDs"
    assert await problem_with(CONFIGMAPS, WIDGETS, server=server) == said


@pytest.mark.parametrize("path", ["/api/v1/configmaps", LEASE_PATH])
async def test_what_the_api_server_refuses_is_said(path: str) -> None:
    server = ApiServer()
    renew(server, "a_1", "2026-01-01T00:00:00Z")
    server.fail("GET", status=403, path=path, times=100)
    assert "403" in str(await problem_with(CONFIGMAPS, server=server))


def test_a_kubeconfig_that_is_missing_is_bad_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ElectedSettings.model_validate({"kubeconfig": str(tmp_path / "none")})
    assert run_check(settings, []) == 2
    assert "none" in capsys.readouterr().err


@pytest.mark.parametrize(("problem", "code"), [(None, 0), ("it is so", 1)])
def test_the_exit_code_says_it(
    problem: str | None,
    code: int,
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def wait(self: Check, seconds: float) -> str | None:
        del self, seconds
        return problem

    monkeypatch.setattr(Check, "wait", wait)
    raw: Any = {"kubeconfig": str(write(cluster={"server": "http://127.0.0.1:1"}))}
    assert run_check(ElectedSettings.model_validate(raw), []) == code
    said = capsys.readouterr()
    assert (problem or "a controller leads") in said.out + said.err


def test_a_lease_that_nobody_leads_by_has_words_of_its_own(
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def wait(self: Check, seconds: float) -> str | None:
        del seconds
        return None if self.lease.namespace == "team" else "another namespace"

    monkeypatch.setattr(Check, "wait", wait)
    raw: Any = {"kubeconfig": str(write(cluster={"server": "http://127.0.0.1:1"}))}
    lease = Renewed("agent-a", None, well="the agent of a works")
    assert check_lease(ElectedSettings.model_validate(raw), [], lease) == 0
    assert "the agent of a works, and every kind is served" in capsys.readouterr().out


async def test_a_lease_that_is_missing_says_what_that_means() -> None:
    async with serve_with_client() as (_, client):
        lease = Renewed("agent-a", "system", missing="there is no agent on a")
        said = await Check(client, [], lease).wait(0.05)
    assert said == "there is no Lease system/agent-a: there is no agent on a"
