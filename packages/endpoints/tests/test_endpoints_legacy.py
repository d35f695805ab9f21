"""The mode legacy: what the first version wrote into Endpoints, with its mistakes put right."""

from __future__ import annotations

from typing import Any

from endpoints_lab import NS, Lab, entry, play

from moorage_endpoints import names
from moorage_endpoints.kinds import ENDPOINTS

SEED_KEY = "k8s.v1.cni.cncf.io/networks"


def served(lab: Lab, network: str = "net", **fields: Any) -> None:
    """A Service as the first version's users have it."""
    notes = {names.NETWORKS: None, names.SELECTOR: None, SEED_KEY: network, names.MODE: "legacy"}
    lab.service(selector={"app": "db"}, notes=notes, **fields)


def subsets(lab: Lab) -> list[dict[str, Any]]:
    return list((lab.core_endpoints() or {}).get("subsets") or ())


def rewrite(lab: Lab, *ips: str) -> None:
    """Kubernetes writes default addresses, as after a change of a pod."""
    raw = lab.core_endpoints()
    assert raw is not None
    found = [{"addresses": [{"ip": one} for one in ips], "ports": [{"port": 80}]}]
    lab.server.put(ENDPOINTS, "web", NS, metadata=raw["metadata"], subsets=found)


def test_na_30_legacy_mode_converges() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("db-0", "10.1.0.5")
        lab.pod("db-1", "10.1.0.6", ready=False)
        served(lab)
        await lab.settle()
        (subset,) = subsets(lab)
        assert subset["addresses"] == [
            {
                "ip": "10.1.0.5",
                "nodeName": "n1",
                "targetRef": {"kind": "Pod", "namespace": NS, "name": "db-0", "uid": "uid-db-0"},
            }
        ]
        assert [one["ip"] for one in subset["notReadyAddresses"]] == ["10.1.0.6"]
        assert subset["ports"] == [{"port": 8080, "protocol": "TCP"}]
        lab.writes()
        for _ in range(8):
            rewrite(lab, "10.244.0.1")
            await lab.world.pass_time(1.0)
            assert lab.core_addresses() == ["10.1.0.5"]
            assert len(lab.writes()) == 1

    play(story, kubernetes=True)


def test_na_30_legacy_mode_breaker() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("db-0", "10.1.0.5")
        served(lab)
        await lab.settle()
        await lab.world.pass_time(120.0)
        lab.writes()
        for number in range(1, 12):
            rewrite(lab, f"10.244.0.{number}")
            await lab.world.pass_time(1.0)
            assert len(lab.writes()) == (1 if number <= 10 else 0)
        (event,) = lab.events("RewritesPaused")
        assert "more than 10 times a minute" in event["message"]
        await lab.world.pass_time(70.0)
        assert lab.core_addresses() == ["10.1.0.5"]
        assert len(lab.writes()) == 1

    play(story, kubernetes=True)


def test_na_30_no_events_when_unchanged() -> None:
    async def story(lab: Lab) -> None:
        lab.server.put(ENDPOINTS, "web", NS)
        lab.pod("db-0", "10.1.0.5")
        served(lab)
        await lab.settle()
        assert lab.core_addresses() == ["10.1.0.5"]
        before = len(lab.server.asked)
        lab.edit_pod("db-0", {"metadata": {"labels": {"more": "x"}}})
        lab.edit(metadata={"annotations": {"example.com/x": "y"}})
        await lab.settle()
        asked = lab.server.asked[before:]
        assert [one for one in asked if one.mutating] == []

    play(story)


def test_na_31_legacy_never_empties_on_bad_status() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("db-0", status="no list", pod_ip="10.244.0.9")
        lab.pod("db-1", status=[entry("10.1.0.1", name="shop/other")], pod_ip="10.244.0.8")
        lab.pod("db-2", status=None, pod_ip="10.244.0.7")
        served(lab)
        await lab.settle()
        assert lab.writes() == []
        assert lab.core_addresses() == ["10.244.0.9", "10.244.0.8", "10.244.0.7"]
        (event,) = lab.events("NetworkStatusUnreadable")
        assert event["message"].startswith("db-0: it is no JSON")

    play(story, kubernetes=True)


def test_na_43_seed_messages() -> None:
    async def story(lab: Lab) -> None:
        lab.network("default/br0")
        lab.pod("db-0", status=[entry("192.168.0.51", name="default/br0")])
        served(lab, "default/br0")
        await lab.settle()
        assert lab.core_addresses() == ["192.168.0.51"]
        service, endpoints = lab.events("UpdatedToUseNetwork")
        assert {service["involvedObject"]["kind"], endpoints["involvedObject"]["kind"]} == {
            "Service",
            "Endpoints",
        }
        for event in (service, endpoints):
            assert event["message"] == (
                "Updated to use network default/br0: Endpoints update successful"
            )
            assert event["type"] == "Normal"
        (warning,) = lab.events("LegacyEndpointsIneffective")
        assert "EndpointSlices" in warning["message"]

    play(story, kubernetes=True)


def test_several_networks_are_refused_as_the_first_version_did() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("db-0", "10.1.0.5", pod_ip="10.244.0.1")
        served(lab, "net,other")
        await lab.settle()
        assert lab.core_addresses() == ["10.244.0.1"]
        (event,) = lab.events("MultipleNetworks")
        assert event["message"].startswith(
            "Endpoints update aborted: multiple network selections in the service spec are not"
            " supported"
        )

    play(story, kubernetes=True)


def test_terminating_pods_and_other_families_are_left_out() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("db-0", "10.1.0.5", "2001:db8::5")
        lab.pod("db-1", "10.1.0.6", meta={"deletionTimestamp": "2027-01-15T08:00:00Z"})
        served(lab, ipFamilies=["IPv4", "IPv6"])
        await lab.settle()
        assert lab.core_addresses() == ["10.1.0.5"]

    play(story, kubernetes=True)


def test_no_more_than_a_thousand_addresses() -> None:
    async def story(lab: Lab) -> None:
        for number in range(1003):
            lab.pod(f"db-{number}", f"10.1.{number // 250}.{number % 250 + 1}", ready=number != 0)
        served(lab)
        await lab.settle()
        assert len(lab.core_addresses()) == 1000
        raw = lab.core_endpoints()
        assert raw is not None
        assert raw["metadata"]["annotations"][names.OVER_CAPACITY] == "truncated"

    play(story, kubernetes=True)
