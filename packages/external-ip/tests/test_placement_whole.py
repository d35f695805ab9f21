"""The whole process: a Service gets an address, a node has it, and both go with the Service."""

from __future__ import annotations

from typing import Any

from placement_cluster import Cluster
from placement_lab import Lab, run, started

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_external_ip.controller import setup
from moorage_external_ip.kinds import SERVICES
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import Scenario, crash_after_every_change

CLASS = "moorage.dev/external-ip"


def balanced(cluster: Cluster, name: str, *, local: bool = False, **annotations: str) -> None:
    port = {"port": 8000 + len(name), "protocol": "TCP"}
    body = {
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": CLASS,
            "ipFamilies": ["IPv4"],
            "ports": [port],
            "externalTrafficPolicy": "Local" if local else "Cluster",
        },
    }
    cluster.server.create(SERVICES, body)


def ingress(server: ApiServer, name: str) -> str:
    raw = server.find(SERVICES, name, "default") or {}
    given = raw.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(given[0].get("ip", ""))


def claim_of(server: ApiServer, name: str) -> str:
    (found,) = [
        raw["metadata"]["name"]
        for raw in server.all_of(IPCLAIMS)
        if any(one["name"] == name for one in raw["spec"].get("services") or ())
    ]
    return str(found)


def test_a_service_gets_an_address_that_fails_over_and_goes_with_it() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/29")
        balanced(lab, "web")
        await lab.passes(3.0)
        address, claim = ingress(lab.server, "web"), claim_of(lab.server, "web")
        assert address.startswith("10.0.0.")
        node = lab.on(claim)
        assert lab.agents[node].holds(claim)
        assert lab.reason(claim) == "Announced"
        assert lab.reason(claim, "Allocated") == "InPool"
        lab.agents[node].kill()
        await lab.until(lambda: lab.on(claim) not in ("", node), "it moves", 7.0)
        await lab.passes(2.0)
        assert ingress(lab.server, "web") == address
        lab.delete_service("web")
        await lab.passes(5.0)
        assert not lab.there(claim)
        assert not any(agent.holds(claim) for agent in lab.agents.values() if agent.alive)
        assert not [
            raw
            for raw in lab.server.all_of(IPALLOCATIONS)
            if raw.get("status", {}).get("phase") == "Bound"
        ]

    run(play, process=setup)


def test_moving_an_address_costs_two_writes_and_placing_it_one_and_no_conflict() -> None:
    """Where it is, which a new claim says from the beginning; and that its agent has it."""

    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/29")
        balanced(lab, "web")
        await lab.passes(3.0)
        claim = claim_of(lab.server, "web")
        path = f"PATCH /apis/ipcontroller.ext/v1/ipclaims/{claim}"
        writes = [one for one in lab.world.changes if one.startswith(path)]
        # The first one says that the address is the claim's own.
        assert writes == [f"{path}/status", f"{path}/status"]
        assert lab.find(claim)["status"]["observedGeneration"] == 1
        begun = len(lab.world.changes)
        lab.agents[lab.on(claim)].kill()
        await lab.until(lambda: bool(lab.moves), "it moves", 7.0)
        await lab.passes(2.0)
        writes = [one for one in lab.world.changes[begun:] if one.startswith(path)]
        assert writes == [path, f"{path}/status"]
        assert lab.find(claim)["status"]["observedGeneration"] == 2

    run(play, process=setup)


def test_a_service_of_policy_local_is_followed_and_keeps_its_status() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/29")
        balanced(lab, "web", local=True)
        lab.endpoints("web", n2="ready")
        await lab.passes(3.0)
        address, claim = ingress(lab.server, "web"), claim_of(lab.server, "web")
        assert lab.on(claim) == "n2"
        lab.endpoints("web")
        await lab.passes(3.0)
        assert lab.on(claim) == ""
        assert ingress(lab.server, "web") == address
        lab.endpoints("web", n3="ready")
        await lab.passes(3.0)
        assert lab.on(claim) == "n3"

    run(play, process=setup)


def test_a_pool_brings_its_addresses_to_every_node() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/29", placement="EveryNode")
        balanced(lab, "web")
        await lab.passes(3.0)
        assert lab.every(claim_of(lab.server, "web")) == ["n1", "n2", "n3"]

    run(play, process=setup)


def test_two_controllers_of_one_claim_do_not_fight() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/24")
        for number in range(20):
            balanced(lab, f"web{number}")
        await lab.passes(5.0)
        lab.agents["n1"].kill()
        await lab.passes(20.0)
        writes = len(lab.world.changes)
        await lab.passes(120.0)
        assert len(lab.world.changes) == writes, lab.world.changes[writes:]
        for number in range(20):
            claim = claim_of(lab.server, f"web{number}")
            assert lab.reason(claim) == "Announced"
            assert lab.reason(claim, "Allocated") == "InPool"

    run(play, process=setup)


class Whole:
    """Services with addresses, of which one is lost, one moved and one deleted."""

    def __init__(self) -> None:
        self.cluster: Cluster | None = None

    def scenario(self) -> Scenario:
        return Scenario(
            started(setup),
            self.arrange,
            edits=(self.lose_a_node, self.delete_a_service),
            always=(self.nothing_is_doubled,),
            view=self.where_everything_is,
            quiet_seconds=400.0,
        )

    def arrange(self, server: ApiServer) -> None:
        self.cluster = cluster = Cluster(server, renew=60.0, lease=300.0, lifetime=252.0)
        for name in ("n1", "n2", "n3"):
            cluster.node(name)
        cluster.pool(cidr="10.0.0.0/29")
        balanced(cluster, "web")
        balanced(cluster, "mail", local=True)
        cluster.endpoints("mail", n1="ready", n2="ready", n3="ready")

    def lose_a_node(self, server: ApiServer) -> None:
        assert self.cluster is not None
        raw = server.find(IPCLAIMS, claim_of(server, "web"))
        assert raw is not None
        self.cluster.agents[raw["spec"]["nodeName"]].kill()

    def delete_a_service(self, server: ApiServer) -> None:
        server.delete(SERVICES, "web", "default")

    def nothing_is_doubled(self, _: ApiServer) -> None:
        assert self.cluster is not None
        assert not self.cluster.doubled, self.cluster.doubled

    def where_everything_is(self, server: ApiServer) -> Any:
        """Which address a Service gets depends on who came first."""
        return [
            (
                [one["name"] for one in raw["spec"].get("services") or ()],
                bool(raw["spec"].get("nodeName")),
                sorted((one["type"], one["reason"]) for one in raw["status"]["conditions"]),
            )
            for raw in server.all_of(IPCLAIMS)
        ]


def make() -> Scenario:
    return Whole().scenario()


def test_the_whole_process_survives_a_crash_after_every_change() -> None:
    assert crash_after_every_change(make) > 15


def test_a_dry_run_of_a_claim_says_where_it_would_go_and_comes_to_rest() -> None:
    """Allocation and placement both speak of it, each by a condition of its own."""

    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/29")
        balanced(lab, "web")
        await lab.passes(3.0)
        claim = claim_of(lab.server, "web")
        note = {"metadata": {"annotations": {"moorage.dev/dry-run": "true"}}}
        lab.server.patch(IPCLAIMS, claim, note)
        node = lab.on(claim)
        lab.agents[node].kill()
        await lab.passes(10.0)
        assert lab.on(claim) == node
        assert lab.reason(claim, "DryRun") == "NothingToDo"
        assert lab.reason(claim, "PlacementDryRun") == "WouldChange"
        before = len(lab.world.changes)
        await lab.passes(30.0)
        assert not [one for one in lab.world.changes[before:] if "ipclaims" in one]

    run(play, process=setup)


def foreign(lab: Lab, address: str) -> None:
    """A machine outside of the cluster has the address: every node hears it."""
    claim = f"{address.replace('.', '-')}-29"
    for agent in lab.agents.values():
        agent.refuses[claim] = {"state": "Conflict", "mac": "02:99:00:00:00:01"}


def test_an_address_that_a_foreign_machine_has_is_left_for_another_one() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/29")
        foreign(lab, "10.0.0.1")
        balanced(lab, "web")
        await lab.until(lambda: ingress(lab.server, "web") == "10.0.0.1", "an address", 3.0)
        await lab.until(lambda: ingress(lab.server, "web") == "10.0.0.2", "another one", 15.0)
        await lab.passes(5.0)
        assert lab.reason(claim_of(lab.server, "web")) == "Announced"
        assert lab.events("Conflict")
        names = [raw["metadata"]["name"] for raw in lab.server.all_of(IPCLAIMS)]
        assert names == ["10-0-0-2-29"]

    run(play, process=setup)


def test_an_address_that_was_asked_for_or_served_is_kept_whoever_answers() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/29")
        foreign(lab, "10.0.0.1")
        asks: Any = {"moorage.dev/addresses": "10.0.0.1"}
        balanced(lab, "asks", **asks)
        balanced(lab, "web")
        await lab.passes(5.0)
        assert ingress(lab.server, "web") == "10.0.0.2"
        foreign(lab, "10.0.0.2")
        for agent in lab.agents.values():
            agent.look()
        await lab.passes(30.0)
        assert ingress(lab.server, "web") == "10.0.0.2"
        assert ingress(lab.server, "asks") == "10.0.0.1"

    run(play, process=setup)


def test_where_nothing_else_is_free_the_service_says_who_is_in_the_way() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.1/32")
        claim = "10-0-0-1-32"
        for agent in lab.agents.values():
            agent.refuses[claim] = {"state": "Conflict", "mac": "02:99:00:00:00:01"}
        balanced(lab, "web")
        await lab.passes(20.0)
        raw = lab.server.find(SERVICES, "web", "default")
        assert raw is not None
        (said,) = raw["status"]["conditions"]
        assert said["reason"] == "PoolExhausted"
        assert said["message"].startswith("10.0.0.1 answers from another machine; ")
        for agent in lab.agents.values():
            agent.refuses.clear()
            agent.look()
        await lab.passes(5.0)
        assert lab.reason(claim) == "Announced"

    run(play, process=setup)
