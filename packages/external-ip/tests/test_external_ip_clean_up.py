"""``clean-up``: afterwards no Service and no node has an address, and nothing waits for us."""

from __future__ import annotations

from typing import Any

from lab_services import Lab as Services
from lab_services import play as play_services
from placement_agents import NS
from placement_lab import Lab as Nodes
from placement_lab import run as play_nodes
from test_placement_whole import balanced, ingress

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_api.ipnode import IPNODES
from moorage_external_ip.clean_up import CleanUpSettings
from moorage_external_ip.clean_up import setup as clean
from moorage_external_ip.controller import setup
from moorage_external_ip.kinds import SERVICES
from moorage_kube.client.kinds import LEASES
from moorage_kube.manager.manager import Manager
from moorage_testing.apiserver import ApiServer, Fault
from moorage_testing.harness import Scenario, World, managed

OURS = (IPCLAIMS, IPALLOCATIONS, IPNODES)


async def clean_up(server: ApiServer, seconds: float = 60.0, **settings: Any) -> bool:
    """Run it for so long; returns whether it has ended by itself."""
    wanted = CleanUpSettings.model_validate({"agent_namespace": NS} | settings)
    ended: list[bool] = []

    def set_up(manager: Manager) -> None:
        manager.stop = lambda: ended.append(True)
        clean(manager)

    world = World(Scenario(managed(wanted, set_up), lambda _: None, quiet_seconds=seconds))
    world.server = server
    world.begin()
    await world.pass_time(seconds)
    await world.kill()
    return bool(ended)


def left(server: ApiServer) -> dict[str, list[str]]:
    found = {kind.plural: [o["metadata"]["name"] for o in server.all_of(kind)] for kind in OURS}
    return {plural: names for plural, names in found.items() if names}


THEIRS = {
    "type": "example.com/Ready", "status": "True", "reason": "Fine", "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}  # fmt: skip


def test_services_are_as_they_were_before_us() -> None:
    async def story(lab: Services) -> None:
        lab.pool()
        lab.service("web")
        lab.service("waits", meta={"annotations": {"moorage.dev/pools": "none"}})
        notes = {"annotations": {"external-ip": "auto"}}
        kept = ["10.0.0.9"]
        lab.service("nginx", meta=notes, type="NodePort", loadBalancerClass=None, externalIPs=kept)
        lab.status("web", {"conditions": [THEIRS]})
        await lab.settle()
        assert lab.ip("web")
        assert len(lab.find("nginx")["spec"]["externalIPs"]) == 2
        await lab.stop()
        assert await clean_up(lab.server)
        assert left(lab.server) == {}
        assert lab.ingress("web") == []
        assert lab.find("web")["status"]["conditions"] == [THEIRS]
        assert not lab.find("waits")["status"].get("conditions")
        assert lab.find("nginx")["spec"]["externalIPs"] == kept
        assert list(lab.find("nginx")["metadata"]["annotations"]) == ["external-ip"]

    play_services(story)


def test_nothing_waits_for_us_and_services_of_others_are_not_touched() -> None:
    async def story(lab: Services) -> None:
        lab.pool()
        lab.service("web")
        lab.service("other", loadBalancerClass="example.com/other")
        lab.status("other", {"loadBalancer": {"ingress": [{"ip": "10.1.1.1"}]}})
        await lab.settle()
        assert lab.ip("web")
        await lab.stop()
        foreign = lab.find("other")
        assert await clean_up(lab.server)
        assert lab.find("other") == foreign
        for raw in (*lab.server.all_of(IPCLAIMPOOLS), *lab.server.all_of(SERVICES)):
            assert not raw["metadata"].get("finalizers"), raw["metadata"]["name"]
        # Whoever installs it again finds the pool, and the Service gets an address again.
        lab.start()
        await lab.settle()
        assert lab.ip("web")

    play_services(story)


def test_addresses_of_others_stay() -> None:
    async def story(lab: Services) -> None:
        owner = {"apiVersion": "ipam.cluster.x-k8s.io/v1beta1", "kind": "IPAddressClaim",
                 "namespace": "m", "name": "a", "uid": "u"}  # fmt: skip
        for name, one in (("default-0a000001", owner), ("default-0a000002", None)):
            spec: dict[str, Any] = {"address": f"10.0.0.{name[-1]}", "network": "default"}
            spec |= {"owner": one} if one else {}
            lab.server.put(IPALLOCATIONS, name, spec=spec, status={"phase": "Bound"})
        lab.pool()
        lab.service("web")
        await lab.settle()
        await lab.stop()
        assert await clean_up(lab.server)
        assert lab.held() == {"10.0.0.1", "10.0.0.2"}

    play_services(story)


def test_what_cannot_be_changed_holds_up_no_other() -> None:
    async def story(lab: Services) -> None:
        lab.pool()
        lab.service("a", "b")
        await lab.settle()
        await lab.stop()
        refusal = {"kind": "Status", "reason": "Invalid", "message": "no", "code": 422}
        path = "/services/a/status"
        lab.server.faults.append(Fault("PATCH", 422, refusal, path=path, times=10**6))
        assert not await clean_up(lab.server)
        assert lab.ingress("b") == []
        assert left(lab.server) == {}
        lab.server.faults.clear()
        assert await clean_up(lab.server)
        assert not lab.find("a")["status"].get("conditions")

    play_services(story)


def test_a_dry_run_changes_nothing_and_ends() -> None:
    async def story(lab: Services) -> None:
        lab.pool()
        lab.service("a")
        await lab.settle()
        await lab.stop()
        writes = len(lab.world.changes)
        assert await clean_up(lab.server, dry_run=True)
        assert lab.world.changes[writes:] == []

    play_services(story)


def test_agents_let_go_before_the_end() -> None:
    async def play(lab: Nodes) -> None:
        lab.pool(cidr="10.0.0.0/29")
        lab.pool("every", cidr="10.0.1.0/29", placement="EveryNode", autoAssign=False)
        balanced(lab, "web")
        only: dict[str, Any] = {"moorage.dev/pools": "every"}
        balanced(lab, "everywhere", **only)
        await lab.passes(5.0)
        assert ingress(lab.server, "everywhere")
        assert any(agent.held for agent in lab.agents.values())
        await lab.world.kill()
        assert await clean_up(lab.server, 20.0)
        assert not any(agent.held for agent in lab.agents.values())
        assert left(lab.server) == {}

    play_nodes(play, process=setup)


def test_an_agent_that_is_gone_is_waited_for_until_its_hold_is_over() -> None:
    async def play(lab: Nodes) -> None:
        lab.pool(cidr="10.0.0.0/29")
        balanced(lab, "web")
        await lab.passes(5.0)
        (holder,) = (agent for agent in lab.agents.values() if agent.held)
        holder.restart_gracefully(30.0)
        await lab.world.kill()
        assert not await clean_up(lab.server, 30.0)
        assert lab.server.all_of(IPCLAIMS)
        # It goes to nobody: the claim is there until the hold is over.
        assert lab.doubled == [f"10-0-0-1-29 goes to  while {holder.node} cannot let go"]
        lab.doubled.clear()
        assert await clean_up(lab.server, 60.0)
        assert left(lab.server) == {}
        assert not any(map(holder.holds, holder.held))

    play_nodes(play, process=setup)


def test_a_node_without_a_lease_is_not_waited_for() -> None:
    async def play(lab: Nodes) -> None:
        lab.pool(cidr="10.0.0.0/29")
        balanced(lab, "web")
        await lab.passes(5.0)
        await lab.world.kill()
        for agent in lab.agents.values():
            agent.kill()
            lab.server.remove(LEASES, f"moorage-agent-{agent.node}", NS)
        assert await clean_up(lab.server, 10.0)
        assert left(lab.server) == {}

    play_nodes(play, process=setup)
