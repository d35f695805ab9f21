"""Mode sync: the controller is asked to free an address, once, and nobody waits for long."""

from __future__ import annotations

import asyncio

from danm_admission_lab import AdmissionLab, play
from danm_admission_objects import GROUP, IP, NET, NS, Danm, pod, review

from moorage_danm.kinds import NetworkKind, endpoints
from moorage_testing.apiserver import Fault

DANMEPS = endpoints(GROUP)
ENDPOINT = "web-1-old-net"


def dead(danm: Danm) -> None:
    danm.holder("Unknown", "node.kubernetes.io/out-of-service")


def free(lab: AdmissionLab) -> None:
    """What the controller does when it is asked."""
    lab.server.remove(DANMEPS, ENDPOINT, NS)


def test_an_answer_waits_until_the_address_is_free() -> None:
    async def story(lab: AdmissionLab) -> None:
        begun = asyncio.get_running_loop().time()
        asking = asyncio.create_task(lab.ask(review(pod())))
        await asyncio.sleep(0.4)
        assert not asking.done()
        assert list(lab.demanded()) == [ENDPOINT]
        free(lab)
        response = await asking
        assert response == {"uid": response["uid"], "allowed": True}
        assert asyncio.get_running_loop().time() - begun < 0.5
        assert lab.metric("demands_total", outcome="freed") == 1

    play(story, dead, mode="sync")


def test_adm_sync_budget() -> None:
    """The controller is away: the pod is allowed when the time is over."""

    async def story(lab: AdmissionLab) -> None:
        begun = asyncio.get_running_loop().time()
        (warning,) = await lab.warnings(review(pod()))
        assert "it will be freed" in warning
        waited = asyncio.get_running_loop().time() - begun
        assert 1.0 <= waited <= 1.05
        assert lab.metric("demands_total", outcome="late") == 1

    play(story, dead, mode="sync")


def test_sec_tenant_a_pod_of_another_namespace_has_nothing_freed() -> None:
    def arrange(danm: Danm) -> None:
        danm.network(kind=NetworkKind.CLUSTER_NETWORK)
        danm.node("n1", "Unknown", "node.kubernetes.io/out-of-service")
        danm.pod("web-1-old")
        danm.endpoint(apiType="ClusterNetwork")

    async def story(lab: AdmissionLab) -> None:
        wanted = {"clusterNetwork": NET, "ip": IP}
        thief = pod(wanted, namespace="evil")
        assert await lab.warnings(review(thief, namespace="evil"))
        assert lab.demanded() == {}
        await lab.warnings(review(pod(wanted)))
        assert list(lab.demanded()) == [ENDPOINT]

    play(story, arrange, mode="sync")


def test_a_demand_that_hangs_costs_no_more_than_the_time() -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.server.faults.append(Fault("PATCH", hang=True, times=5))
        begun = asyncio.get_running_loop().time()
        assert await lab.warnings(review(pod()))
        assert asyncio.get_running_loop().time() - begun <= 1.05

    play(story, dead, mode="sync")


def test_a_demand_that_is_refused_leaves_the_pod_allowed() -> None:
    async def story(lab: AdmissionLab) -> None:
        for status in (403, 404, 409, 500):
            lab.server.faults.append(Fault("PATCH", status=status))
            assert await lab.warnings(review(pod()))
        # The next one asks again.
        assert lab.demanded() == {}
        assert await lab.warnings(review(pod()))
        assert list(lab.demanded()) == [ENDPOINT]

    play(story, dead, mode="sync", sync_seconds=0.2)


def test_adm_concurrent_same_ip() -> None:
    async def story(lab: AdmissionLab) -> None:
        asking = [asyncio.create_task(lab.ask(review(pod()))) for _ in range(200)]
        await asyncio.sleep(0.3)
        free(lab)
        answers = await asyncio.gather(*asking)
        assert all(one["allowed"] for one in answers)
        assert len(lab.written) == 1, "one demand, for whoever frees it"

    play(story, dead, mode="sync")


def test_a_demand_is_repeated_only_when_it_is_old() -> None:
    async def story(lab: AdmissionLab) -> None:
        for _ in range(5):
            await lab.ask(review(pod()))
        assert len(lab.written) == 1
        await asyncio.sleep(400.0)
        await lab.ask(review(pod()))
        assert len(lab.written) == 2
        await asyncio.sleep(3600.0)
        assert len(lab.written) == 2, "at rest nothing is written"

    play(story, dead, mode="sync")


def test_a_holder_that_runs_is_never_asked_for() -> None:
    async def story(lab: AdmissionLab) -> None:
        begun = asyncio.get_running_loop().time()
        assert await lab.warnings(review(pod()))
        assert asyncio.get_running_loop().time() == begun, "nor waited for"
        assert lab.written == []

    play(story, lambda danm: danm.holder(), mode="sync")
    ending = "2027-01-15T08:00:00Z"
    play(story, lambda danm: danm.holder(deletionTimestamp=ending), mode="sync")
    play(story, dead, mode="advise")
    play(story, dead, mode="enforce")


def test_an_endpoint_that_is_blanked_is_released() -> None:
    """The controller blanks an endpoint before it frees the bit; another one may have it later."""

    async def story(lab: AdmissionLab) -> None:
        asking = asyncio.create_task(lab.ask(review(pod())))
        await asyncio.sleep(0.2)
        lab.danm.endpoint(Interface={"Name": "eth1", "Address": "", "AddressIPv6": ""})
        assert "warnings" not in await asking

    play(story, dead, mode="sync")


def test_whoever_is_not_waited_for_any_more_is_forgotten() -> None:
    async def story(lab: AdmissionLab) -> None:
        asking = [asyncio.create_task(lab.ask(review(pod()))) for _ in range(3)]
        await asyncio.sleep(0.2)
        asking[0].cancel()
        await asyncio.sleep(2.0)
        assert all(one.done() for one in asking)
        free(lab)
        await asyncio.sleep(1.0)
        assert lab.metric("demands_total", outcome="late") == 2

    play(story, dead, mode="sync")
