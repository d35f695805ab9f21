"""What placing and moving an address costs in writes, Events and passes; the whole process."""

from __future__ import annotations

from typing import Any

from placement_lab import Lab, run

from moorage_api.ipclaim import IPCLAIMS
from moorage_external_ip.controller import setup
from moorage_external_ip.kinds import SERVICES
from moorage_testing.apiserver import Fault

CLAIMS = "/apis/ipcontroller.ext/v1/ipclaims"


def serve(lab: Lab, count: int) -> None:
    for number in range(count):
        spec: dict[str, Any] = {
            "type": "LoadBalancer",
            "loadBalancerClass": "moorage.dev/external-ip",
            "ipFamilies": ["IPv4"],
            "ports": [{"port": 80, "protocol": "TCP"}],
        }
        meta = {"name": f"s-{number:03}", "namespace": "default"}
        lab.server.create(SERVICES, {"metadata": meta, "spec": spec})


def looks(lab: Lab, controller: str) -> float:
    return lab.series(f"{controller}_reconciles_total", outcome="done") or 0.0


def writes(lab: Lab, since: int = 0) -> list[str]:
    return [one for one in lab.world.changes[since:] if "/leases" not in one]


def test_a_new_claim_names_its_node_from_the_beginning() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/24")
        serve(lab, 30)
        await lab.passes(5.0)
        assert lab.spread() == {"n1": 10, "n2": 10, "n3": 10}
        assert lab.series("placements_total", reason="Placed") == 30.0
        assert not [one for one in writes(lab) if one.startswith(f"PATCH {CLAIMS}/")
                    and not one.endswith("/status")]  # fmt: skip

    run(play, process=setup)


def test_a_new_claim_of_every_node_names_them_all_and_counts_as_placed_on_none() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/24", placement="EveryNode")
        serve(lab, 1)
        await lab.passes(5.0)
        (claim,) = lab.server.all_of(IPCLAIMS)
        assert lab.every(claim["metadata"]["name"]) == ["n1", "n2", "n3"]
        assert not [one for one in writes(lab) if one.startswith(f"PATCH {CLAIMS}/")
                    and not one.endswith("/status")]  # fmt: skip
        assert not lab.series("placements_total", reason="Placed")

    run(play, process=setup)


def test_a_service_costs_six_writes() -> None:
    """Its record, its claim with the node, the record again, its status, the claim's twice."""

    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/24")
        await lab.passes(3.0)
        begun = len(lab.world.changes)
        serve(lab, 20)
        await lab.passes(5.0)
        ours = [one for one in writes(lab, begun) if "ipclaimpools" not in one]
        assert len(ours) == 20 * 6

    run(play, process=setup)


def test_a_claim_whose_making_failed_counts_on_no_node() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/24")
        lab.server.faults.append(Fault("POST", path="/ipclaims", times=1000))
        serve(lab, 1)
        await lab.passes(0.5)
        assert not lab.server.all_of(IPCLAIMS)
        loads = [lab.series("node_addresses", node=name) for name in lab.agents]
        assert loads == [0.0, 0.0, 0.0]

    run(play, process=setup)


def test_an_address_whose_claim_has_just_gone_gets_its_node_once_the_new_claim_is_there() -> None:
    """The former node may not have let go yet, and would answer the probe of the new one."""

    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/24")
        serve(lab, 1)
        await lab.passes(5.0)
        (claim,) = lab.server.all_of(IPCLAIMS)
        named: list[str | None] = []

        def changed(change: Any) -> None:
            if change.place.plural == "ipclaims" and change.before is None:
                named.append(change.after["spec"].get("nodeName"))

        lab.server.world.on_change.append(changed)
        lab.server.delete(IPCLAIMS, claim["metadata"]["name"])
        await lab.passes(2.0)
        assert named == [None]
        assert lab.on(claim["metadata"]["name"]) != ""

    run(play, process=setup)


def test_a_move_costs_no_pass_over_services_and_records() -> None:
    """Hundreds that move at once are up the later the more is done between."""

    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/24")
        serve(lab, 30)
        await lab.passes(5.0)
        before = {name: looks(lab, name) for name in ("services", "claims", "records")}
        lab.agents["n1"].kill()
        await lab.passes(10.0)
        assert lab.spread() == {"n1": 0, "n2": 15, "n3": 15}
        assert {name: looks(lab, name) for name in before} == before

    run(play, process=setup)


def test_a_few_moves_have_an_event_each_and_the_rest_of_many_share_one() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(cidr="10.0.0.0/24")
        serve(lab, 90)
        await lab.passes(5.0)
        lab.agents["n1"].kill()
        await lab.passes(12.0)
        of_claims = [
            one for one in lab.events("Moved") if one["involvedObject"]["kind"] == "IpClaim"
        ]
        assert len(of_claims) == 10
        (of_node,) = [one for one in lab.events("Moved") if one not in of_claims]
        assert (of_node["involvedObject"]["kind"], of_node["involvedObject"]["name"]) == (
            "IpNode",
            "n1",
        )
        assert of_node["involvedObject"]["uid"] == lab.mirror("n1")["metadata"]["uid"]
        assert of_node["message"].startswith("20 more addresses move, to n")
        assert "moves from n1, which is not live, to n" in of_node["message"]
        assert lab.series("placements_total", reason="Moved") == 30.0

    run(play, process=setup)
