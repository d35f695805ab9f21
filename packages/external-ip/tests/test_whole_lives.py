"""Random lives of the whole process: Services, pools, nodes and agents, all in trouble at once."""

from __future__ import annotations

import random
from typing import Any

import pytest
from placement_cluster import Cluster
from placement_lab import started
from service_checks import (
    claims_say_who_uses_them,
    ips_of,
    is_allocated,
    no_address_has_two_records,
    no_address_is_promised_twice,
    no_two_claims_have_one,
    nothing_is_leaked,
    reason_of,
)

from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_external_ip.controller import setup
from moorage_external_ip.kinds import SERVICES
from moorage_kube.client.kinds import NODES
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import Scenario, World, live_many
from moorage_testing.harness.troubles import HOUR, refuse_writes, set_the_clock, sometimes_twice

LIVES = 20
CLASS = "moorage.dev/external-ip"
NAMES = ("n1", "n2", "n3", "n4")
SERVICE_NAMES = "abcdefgh"
LOCAL = "local"
"""The one Service that may have policy Local; it shares its address with nobody."""
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
# Slow agents: hours pass in these lives, and each renewal costs.
SLOW = {"renew": 60.0, "lease": 300.0, "lifetime": 252.0, "longest_hold": 590.0}
# The longest hold is one of 590 seconds, and a reservation whose claim never came ends earlier.
QUIET_SECONDS = 700.0
REQUESTS_PER_MINUTE = 60.0
"""Now and then all watches of a whole process begin anew within one minute, some with a list."""
Raw = dict[str, Any]


class WholeLife:
    """One life, with its cluster."""

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self.number = 0

    def scenario(self) -> Scenario:
        return Scenario(
            started(setup),
            self.arrange,
            happenings=(
                self.make_or_delete_a_service,
                self.edit_a_service,
                self.edit_the_pool,
                self.lose_a_claim,
                self.change_endpoints,
                self.break_or_mend_an_agent,
                self.restart_or_drain_an_agent,
                self.cut_an_agent_off,
                self.change_a_link,
                self.edit_a_node,
                self.remove_or_add_a_node,
                self.set_a_clock,
                refuse_writes,
            ),
            always=(
                self.nothing_is_doubled,
                no_address_has_two_records,
                no_address_is_promised_twice,
                no_two_claims_have_one,
            ),
            at_rest=(
                self.every_service_is_served,
                nothing_is_leaked,
                claims_say_who_uses_them,
                self.everything_is_where_it_belongs,
            ),
            quiet_seconds=QUIET_SECONDS,
            # No hold is longer than ten minutes, and agents renew their Leases all the while.
            rest_seconds=1800.0,
            longest_pause_seconds=3000.0,
            requests_per_minute=REQUESTS_PER_MINUTE,
        )

    @property
    def world(self) -> Cluster:
        assert self.cluster is not None
        return self.cluster

    def arrange(self, server: ApiServer) -> None:
        self.cluster = cluster = Cluster(server, **SLOW)
        for name in NAMES:
            cluster.node(name, zone="a" if name < "n3" else "b")
        cluster.pool(cidr="10.0.0.0/29", reuseDelaySeconds=40)
        for name in ("a", "b", LOCAL):
            self.service(name)
        cluster.endpoints(LOCAL, n2="ready")

    def service(self, name: str, key: str = "", port: int = 80, **annotations: str) -> None:
        notes = annotations | ({"moorage.dev/sharing-key": key} if key else {})
        spec: Raw = {
            "type": "LoadBalancer",
            "loadBalancerClass": CLASS,
            "ipFamilies": ["IPv4"],
            "ports": [{"port": port, "protocol": "TCP"}],
            "externalTrafficPolicy": "Local" if name == LOCAL else "Cluster",
        }
        meta = {"name": name, "namespace": "default", "annotations": notes}
        self.world.server.create(SERVICES, {"metadata": meta, "spec": spec})

    # What may happen.

    def make_or_delete_a_service(self, world: World, rng: random.Random) -> None:
        name = rng.choice((*SERVICE_NAMES, LOCAL))
        if world.server.find(SERVICES, name, "default"):
            world.server.delete(SERVICES, name, "default")
        elif name == LOCAL or rng.random() < 0.5:
            self.service(name)
        else:
            self.service(name, "key", rng.choice((80, 81, 82)))

    def edit_a_service(self, world: World, rng: random.Random) -> None:
        name = rng.choice((*SERVICE_NAMES[:4], LOCAL))
        if not world.server.find(SERVICES, name, "default"):
            return
        notes = {"moorage.dev/addresses": rng.choice((None, "10.0.0.2", "10.0.0.3"))}
        spec: Raw = rng.choice(
            (
                {},
                {"type": "ClusterIP", "loadBalancerClass": None},
                {"type": "LoadBalancer", "loadBalancerClass": CLASS},
            )
        )
        if name == LOCAL:
            notes, policy = {}, rng.choice(("Local", "Cluster"))
            spec = {**spec, "externalTrafficPolicy": policy}
        change = {"metadata": {"annotations": notes}, "spec": spec}
        world.server.patch(SERVICES, name, change, "default")

    def edit_the_pool(self, world: World, rng: random.Random) -> None:
        cidr = rng.choice(("10.0.0.0/29", "10.0.0.0/30", "10.0.0.0/28", "10.0.1.0/29"))
        zone = rng.choice((None, {"matchLabels": {"zone": "a"}}))
        change = {"cidr": cidr, "nodeSelector": zone, "onlyServicePorts": rng.random() < 0.5}
        world.server.patch(IPCLAIMPOOLS, "lab", {"spec": change})

    def lose_a_claim(self, world: World, rng: random.Random) -> None:
        if claims := world.server.all_of(IPCLAIMS):
            world.server.delete(IPCLAIMS, rng.choice(claims)["metadata"]["name"])

    def change_endpoints(self, _: World, rng: random.Random) -> None:
        self.world.endpoints(LOCAL, **{one: "ready" for one in NAMES if rng.random() < 0.4})

    def break_or_mend_an_agent(self, _: World, rng: random.Random) -> None:
        agent = self.world.agents[rng.choice(NAMES)]
        if agent.alive:
            agent.kill()
        else:
            agent.start()

    def restart_or_drain_an_agent(self, _: World, rng: random.Random) -> None:
        agent = self.world.agents[rng.choice(NAMES)]
        if not agent.alive or rng.random() < 0.5:
            agent.drain()
        else:
            agent.restart_gracefully(rng.choice((400.0, 590.0)))

    def cut_an_agent_off(self, _: World, rng: random.Random) -> None:
        """From the API server alone, for a while; it holds what it has until it hears of more."""
        agent = self.world.agents[rng.choice(NAMES)]
        # Before it counts as rest.
        agent.cut_off(rng.choice((30.0, 200.0, 600.0)))

    def change_a_link(self, _: World, rng: random.Random) -> None:
        agent = self.world.agents[rng.choice(NAMES)]
        agent.links[0]["carrier"] = not agent.links[0]["carrier"]
        agent.say()

    def edit_a_node(self, world: World, rng: random.Random) -> None:
        name, value, cordoned = rng.choice(NAMES), rng.choice(("true", None)), rng.random() < 0.5
        if world.server.find(NODES, name):
            meta = {"labels": {EXCLUDE: value}}
            self.world.edit_node(name, metadata=meta, spec={"unschedulable": cordoned})

    def remove_or_add_a_node(self, world: World, rng: random.Random) -> None:
        """With its agent and Lease; when it comes back nothing of it is left."""
        name = rng.choice(NAMES)
        if world.server.find(NODES, name):
            self.world.remove_node(name)
            return
        self.number += 1
        labels = {"zone": "a" if name < "n3" else "b"}
        meta = {"name": name, "uid": f"uid-{name}-{self.number}", "labels": labels}
        world.server.put(NODES, name, metadata=meta, spec={})
        self.world.agents[name].start()

    def set_a_clock(self, world: World, rng: random.Random) -> None:
        if rng.random() < 0.5:
            set_the_clock(world, rng)
        else:
            self.world.agents[rng.choice(NAMES)].skew = rng.choice((-HOUR, 0.0, HOUR))

    # What must hold.

    def nothing_is_doubled(self, _: ApiServer) -> None:
        assert not self.world.doubled, self.world.doubled

    def every_service_is_served(self, server: ApiServer) -> None:
        """Or says why not; whoever finds no address free is right."""
        pool = server.find(IPCLAIMPOOLS, "lab")
        assert pool is not None
        known = ("", "Assigned", "PoolExhausted", "AddressInUse", "RequestRefused", "KeptFormer")
        for raw in server.all_of(SERVICES):
            name, reason = raw["metadata"]["name"], reason_of(raw)
            assert reason in (*known, "SharingConflict"), (name, reason)
            assert reason != "PoolExhausted" or pool["status"]["free"] == "0", name
            if raw["spec"]["type"] == "LoadBalancer":
                assert reason, name
                assert reason != "Assigned" or ips_of(raw), name

    def everything_is_where_it_belongs(self, server: ApiServer) -> None:
        for raw in server.all_of(IPCLAIMS):
            if not is_allocated(raw):
                continue
            claim = raw["metadata"]["name"]
            good = [name for name in NAMES if self.fits(server, name, raw)]
            node = self.world.on(claim)
            assert not good or node in good, f"{claim} is on {node!r}, {good} would be better"
            holders = [one.node for one in self.world.agents.values() if one.holds(claim)]
            live = node != "" and self.world.agents[node].alive
            assert holders == [node] * live, (claim, node, holders)

    def fits(self, server: ApiServer, name: str, claim: Raw) -> bool:
        """Whether a node may have an address, as the design says it and not as the code does."""
        agent, node = self.world.agents[name], server.find(NODES, name)
        if node is None or not agent.alive or agent.draining or not agent.links[0]["carrier"]:
            return False
        labels = node["metadata"].get("labels") or {}
        pool = server.find(IPCLAIMPOOLS, claim["metadata"]["labels"]["ip-pool-name"])
        assert pool is not None
        zone = (pool["spec"].get("nodeSelector") or {}).get("matchLabels", {}).get("zone")
        if EXCLUDE in labels or zone not in (None, labels["zone"]):
            return False
        used = [one["name"] for one in claim["spec"].get("services") or ()]
        service = server.find(SERVICES, LOCAL, "default")
        is_local = service is not None and service["spec"]["externalTrafficPolicy"] == "Local"
        if used != [LOCAL] or not is_local:
            return True
        slices = f"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/{LOCAL}-1"
        return name in {one["nodeName"] for one in server.objects[slices]["endpoints"]}


def make() -> Scenario:
    return sometimes_twice(WholeLife().scenario())


@pytest.mark.timeout(1200)
def test_the_whole_process_comes_to_rest_after_random_lives() -> None:
    live_many(make, range(LIVES))
