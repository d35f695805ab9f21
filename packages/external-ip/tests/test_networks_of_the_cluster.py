"""No Service gets an address of the cluster's own networks: those of its Services and pods."""

from __future__ import annotations

from typing import Any

import pytest
from lab_services import Lab, Raw, play

from moorage_external_ip.kinds import SERVICE_CIDRS
from moorage_testing.apiserver import Fault

BY_HAND: Raw = {"type": "ClusterIP", "loadBalancerClass": None}


def service_cidr(lab: Lab, *cidrs: str, name: str = "kubernetes") -> None:
    lab.server.put(SERVICE_CIDRS, name, spec={"cidrs": list(cidrs)})


def ready(lab: Lab, pool: str = "pool") -> tuple[str, str]:
    (found,) = (one for one in lab.pool_status(pool)["conditions"] if one["type"] == "Ready")
    return found["reason"], found["message"]


@pytest.mark.parametrize(
    ("asked", "fields", "families"),
    [
        ("192.168.0.9", {"loadBalancerIP": "192.168.0.9"}, ["192.168.0.0/28"]),
        ("192.168.0.9", {"externalIPs": ["192.168.0.9"], **BY_HAND}, ["192.168.0.0/28"]),
        ("fd00::9", {"loadBalancerIP": "fd00::9", "ipFamilies": ["IPv6"]},
         ["192.168.0.0/28", "fd00::/112"]),
    ],
)  # fmt: skip
def test_an_address_of_a_service_network_is_refused(
    asked: str, fields: Raw, families: list[str]
) -> None:
    async def story(lab: Lab) -> None:
        service_cidr(lab, *families)
        lab.pool(allowExternalIPs=True)
        lab.pool("six", cidr="fd00::/64", allowExternalIPs=True)
        lab.service("a", **fields)
        await lab.settle()
        (event,) = lab.events("a", "RequestRefused")
        network = families[-1] if ":" in asked else families[0]
        assert (
            f"{asked}: it is in {network}, a network of the cluster's Services" in event["message"]
        )
        assert "(ServiceCIDR kubernetes)" in event["message"]
        assert lab.claims() == []

    play(story)


def test_none_of_them_is_given_unasked_either() -> None:
    async def story(lab: Lab) -> None:
        service_cidr(lab, "192.168.0.0/29")
        lab.node("n1", podCIDRs=["192.168.0.8/29", "fd00::/64"])
        lab.pool(ranges=[["192.168.0.1", "192.168.0.17"]])
        lab.service("a", "b", "c")
        await lab.settle()
        assert sorted(map(lab.ip, "abc")) == ["", "192.168.0.16", "192.168.0.17"]
        assert lab.pool_status()["total"] == "2"

    play(story)


def test_a_pool_that_lies_in_one_says_so_and_gives_nothing() -> None:
    async def story(lab: Lab) -> None:
        service_cidr(lab, "192.168.0.0/16")
        lab.pool()
        lab.service("a")
        await lab.settle()
        text = "spec: all of its addresses are in networks of the cluster: 192.168.0.0/16"
        assert ready(lab) == ("Invalid", text)
        assert lab.ip("a") == ""
        lab.server.remove(SERVICE_CIDRS, "kubernetes")
        await lab.settle()
        assert ready(lab)[0] == "Ready"
        assert lab.ip("a") == "192.168.0.1"

    play(story)


def test_a_network_that_comes_later_takes_nothing_from_who_has_an_address() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("a")
        await lab.settle()
        assert lab.ip("a") == "192.168.0.1"
        service_cidr(lab, "192.168.0.0/28", name="second")
        await lab.settle()
        assert lab.ip("a") == "192.168.0.1"
        assert lab.allocated("192-168-0-1-24") == "OutOfPool"
        lab.service("b")
        await lab.settle()
        assert lab.ip("b") == "192.168.0.16"
        await lab.stop()
        lab.start()
        await lab.settle()
        assert (lab.ip("a"), lab.ip("b")) == ("192.168.0.1", "192.168.0.16")
        lab.delete("a")
        await lab.settle()
        lab.service("c")
        await lab.settle()
        assert lab.ip("c") == "192.168.0.17"

    play(story)


def test_a_cluster_that_does_not_serve_them_is_served_all_the_same() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("a")
        await lab.settle()
        assert lab.ip("a") == "192.168.0.1"

    async def without_the_kind(lab: Lab) -> None:
        body: dict[str, Any] = {"kind": "Status", "reason": "NotFound", "code": 404}
        path = "/apis/networking.k8s.io/v1/servicecidrs"
        lab.server.faults.append(Fault("GET", 404, body, path=path, times=10**6))
        await lab.stop()
        lab.start()
        await story(lab)

    play(without_the_kind)


def test_nodes_that_come_with_other_networks_make_no_pool_anew() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("a")
        await lab.settle()
        assert lab.world.manager is not None
        name = "moorage_external_ip_services_reconciles_total"
        read = lab.world.manager.registry.get_sample_value
        before = read(name, {"outcome": "done"})
        for number in range(20):
            lab.node(f"n{number}", f"10.0.0.{number}", podCIDRs=[f"10.1.{number}.0/24"])
        await lab.settle()
        assert read(name, {"outcome": "done"}) == before

    play(story)
