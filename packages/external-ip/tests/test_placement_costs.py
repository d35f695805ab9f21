"""What placing and moving an address costs in writes, Events and passes; the whole process."""

from __future__ import annotations

from typing import Any

from placement_lab import Lab, run

from moorage_external_ip.controller import setup
from moorage_external_ip.kinds import SERVICES


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
