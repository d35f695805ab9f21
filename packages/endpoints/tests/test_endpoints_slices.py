"""Slices of Services without a selector: which pods are in them, and how."""

from __future__ import annotations

from typing import Any

from endpoints_lab import NS, Lab, entry, play, status

from moorage_endpoints import names
from moorage_endpoints.kinds import SLICES
from moorage_endpoints.networks.status import LEGACY_STATUS_ANNOTATION, STATUS_ANNOTATION
from moorage_kube.client.kinds import EVENTS

Raw = dict[str, Any]


def test_na_01_current_status_key_names_the_endpoint() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.5")
        await lab.settle()
        (one,) = lab.slices()
        assert (one["addressType"], one["ports"]) == (
            "IPv4",
            [{"name": "", "protocol": "TCP", "port": 8080}],
        )
        assert one["endpoints"] == [
            {
                "addresses": ["10.1.0.5"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": NS, "name": "db-0", "uid": "uid-db-0"},
                "nodeName": "n1",
            }
        ]
        (owner,) = one["metadata"]["ownerReferences"]
        assert owner["controller"] is True
        assert "blockOwnerDeletion" not in owner
        assert names.TRIGGER_TIME in one["metadata"]["annotations"]
        (event,) = lab.events("SecondaryEndpointsSynced")
        assert event["message"] == "1 endpoints of shop/net in 1 slices"
        assert [one["reason"] for one in lab.server.all_of(EVENTS)] == [event["reason"]]

    play(story)


def test_na_02_legacy_status_fallback_names_the_endpoint() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.5", key=LEGACY_STATUS_ANNOTATION)
        lab.pod("db-1", "10.1.0.6", notes={LEGACY_STATUS_ANNOTATION: status("10.1.0.7")})
        await lab.settle()
        assert lab.addresses() == ["10.1.0.5", "10.1.0.6"]

    play(story)


def test_na_04_namespace_isolation() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.5")
        lab.pod("db-0", "10.1.0.6", namespace="other", status=[entry("10.1.0.6")])
        await lab.settle()
        assert lab.addresses() == ["10.1.0.5"]

    play(story)


def test_na_05_no_selector_no_pods() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("db-0", "10.1.0.5")
        for name, selector in (("none", None), ("empty", ""), ("blank", " ")):
            lab.service(name, notes={names.SELECTOR: selector})
            await lab.settle()
            assert lab.addresses(name) == []
            (event,) = lab.events("NoSelector", name)
            assert "moorage.dev/selector" in event["message"]
            assert event["type"] == "Warning"

    play(story)


def test_na_06_interface_pick_of_a_pod_with_two() -> None:
    async def story(lab: Lab) -> None:
        lab.service(notes={names.NETWORKS: "net@net2"})
        lab.pod("db-0", status=[entry("10.1.0.1"), entry("10.1.0.2", interface="net2")])
        await lab.settle()
        assert lab.addresses() == ["10.1.0.2"]

    play(story)


def test_na_07_two_networks_union() -> None:
    async def story(lab: Lab) -> None:
        lab.network("shop/more")
        lab.service(notes={names.NETWORKS: "net,more"})
        lab.pod("db-0", "10.1.0.1")
        lab.pod("db-1", status=[entry("10.2.0.1", name="shop/more")])
        lab.pod("db-2", status=[entry("10.1.0.3"), entry("10.2.0.3", name="shop/more")])
        await lab.settle()
        assert lab.addresses() == ["10.1.0.1", "10.1.0.3", "10.2.0.1", "10.2.0.3"]

    play(story)


def test_na_08_same_named_nad_other_namespace() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", status=[entry("10.1.0.1", name="other/net")])
        await lab.settle()
        assert lab.addresses() == []
        (event,) = lab.events("NoAddressOnNetwork")
        assert event["message"] == "db-0: it is not attached to shop/net"

    play(story)


def test_na_09_not_ready_pod() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1", ready=False)
        await lab.settle()
        assert lab.conditions() == [(False, False, False)]
        lab.writes()
        lab.ready("db-0", ready=True)
        await lab.settle()
        assert lab.conditions() == [(True, True, False)]
        assert len(lab.writes()) == 1

    play(story)


def test_na_10_publish_not_ready() -> None:
    async def story(lab: Lab) -> None:
        lab.service(publishNotReadyAddresses=True)
        lab.pod("db-0", "10.1.0.1", ready=False)
        await lab.settle()
        assert lab.conditions() == [(True, False, False)]

    play(story)


def test_na_11_terminating_pod() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1")
        await lab.settle()
        lab.terminate("db-0")
        await lab.settle()
        assert lab.conditions() == [(False, True, True)]
        lab.delete_pod("db-0")
        await lab.settle()
        assert lab.endpoints() == []

    play(story)


def test_na_12_completed_pod_dropped() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1")
        lab.pod("db-1", "10.1.0.2")
        lab.pod("db-2", "10.1.0.3", phase="Failed")
        await lab.settle()
        assert lab.addresses() == ["10.1.0.1", "10.1.0.2"]
        lab.edit_status("db-0", phase="Succeeded")
        await lab.settle()
        assert lab.addresses() == ["10.1.0.2"]

    play(story)


def test_na_13_hostnetwork_pod_explained() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1", spec={"hostNetwork": True})
        await lab.settle()
        assert lab.addresses() == []
        (event,) = lab.events("NoAddressOnNetwork")
        assert event["message"].startswith("db-0 is in the network of its node")

    play(story)


def container(port: int, protocol: str = "TCP") -> Raw:
    return {"name": "c", "ports": [{"name": "sql", "containerPort": port, "protocol": protocol}]}


NAMED = [{"name": "db", "protocol": "TCP", "port": 5432, "targetPort": "sql"}]


def test_na_14_named_port_differs_per_pod() -> None:
    async def story(lab: Lab) -> None:
        lab.service(ports=NAMED)
        lab.pod("db-0", "10.1.0.1", spec={"containers": [container(5432)]})
        lab.pod("db-1", "10.1.0.2", spec={"containers": [container(5433)]})
        sidecar = container(5433) | {"restartPolicy": "Always"}
        lab.pod("db-2", "10.1.0.3", spec={"containers": [], "initContainers": [sidecar]})
        await lab.settle()
        found = {
            raw["ports"][0]["port"]: sorted(one["addresses"][0] for one in raw["endpoints"])
            for raw in lab.slices()
        }
        assert found == {5432: ["10.1.0.1"], 5433: ["10.1.0.2", "10.1.0.3"]}
        assert {raw["ports"][0]["name"] for raw in lab.slices()} == {"db"}

    play(story)


def test_na_15_port_unresolvable() -> None:
    async def story(lab: Lab) -> None:
        lab.service(ports=NAMED)
        lab.pod("db-0", "10.1.0.1", spec={"containers": [container(5432)]})
        lab.pod("db-1", "10.1.0.2", spec={"containers": [container(5432, "UDP")]})
        init = container(5433)
        lab.pod("db-2", "10.1.0.3", spec={"containers": [], "initContainers": [init]})
        await lab.settle()
        assert lab.addresses() == ["10.1.0.1"]
        (event,) = lab.events("PortNotFound")
        assert event["message"] == (
            "db-1 has no TCP port of the name sql; db-2 has no TCP port of the name sql"
        )

    play(story)


def test_na_16_headless_without_ports() -> None:
    async def story(lab: Lab) -> None:
        lab.service(clusterIP="None", ports=None)
        lab.pod("db-0", "10.1.0.1")
        await lab.settle()
        (one,) = lab.slices()
        assert (one["ports"], lab.addresses()) == ([], ["10.1.0.1"])
        assert one["metadata"]["labels"][names.HEADLESS_LABEL] == ""

    play(story)


def test_na_17_dual_stack() -> None:
    async def story(lab: Lab) -> None:
        lab.service("both", ipFamilies=["IPv6", "IPv4"])
        lab.service("four")
        lab.pod("db-0", "10.1.0.1", "2001:db8::1")
        await lab.settle()
        both = {one["addressType"]: one["endpoints"][0]["addresses"] for one in lab.slices("both")}
        assert both == {"IPv4": ["10.1.0.1"], "IPv6": ["2001:db8::1"]}
        assert lab.addresses("four") == ["10.1.0.1"]
        lab.writes()
        lab.edit("four", spec={"ipFamilies": ["IPv4", "IPv6"]})
        await lab.settle()
        assert lab.addresses("four") == ["10.1.0.1", "2001:db8::1"]
        assert [one.partition(" ")[0] for one in lab.writes()] == ["POST"]
        lab.edit("four", spec={"ipFamilies": ["IPv4"]})
        await lab.settle()
        assert lab.addresses("four") == ["10.1.0.1"]
        assert [one.partition(" ")[0] for one in lab.writes()] == ["DELETE"]

    play(story)


def test_na_18_cidr_and_linklocal_ips_are_fit_for_a_slice() -> None:
    async def story(lab: Lab) -> None:
        lab.service(ipFamilies=["IPv4", "IPv6"])
        lab.pod("db-0", "192.0.2.2/24", "fe80::1")
        await lab.settle()
        assert lab.addresses() == ["192.0.2.2"]
        assert [len(one["endpoints"]) for one in lab.slices()] == [1, 0] or [
            len(one["endpoints"]) for one in lab.slices()
        ] == [0, 1]

    play(story)


def test_na_19_statefulset_dns() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1", spec={"hostname": "db-0", "subdomain": "web"})
        lab.pod("db-1", "10.1.0.2", spec={"hostname": "db-1", "subdomain": "other"})
        lab.pod("db-2", "10.1.0.3", spec={"subdomain": "web"})
        await lab.settle()
        assert [one.get("hostname") for one in lab.endpoints()] == ["db-0", None, None]

    play(story)


def address(number: int) -> str:
    return f"10.1.{number // 250}.{number % 250 + 1}"


def test_na_20_slices_of_100() -> None:
    async def story(lab: Lab) -> None:
        for number in range(250):
            lab.pod(f"db-{number}", address(number))
        lab.service()
        await lab.settle()
        assert sorted(len(one["endpoints"]) for one in lab.slices()) == [50, 100, 100]
        before = {one["metadata"]["name"]: one["endpoints"] for one in lab.slices()}
        lab.writes()
        lab.delete_pod("db-0")  # in a full one
        await lab.settle()
        assert len(lab.writes()) == 1
        assert sorted(len(one["endpoints"]) for one in lab.slices()) == [50, 99, 100]
        lab.pod("db-250", address(250))
        await lab.settle()
        assert len(lab.writes()) == 1
        after = {one["metadata"]["name"]: one["endpoints"] for one in lab.slices()}
        assert sorted(map(len, after.values())) == [50, 100, 100]
        same = [name for name in before if before[name] == after[name]]
        assert len(same) == 2

    play(story)


def test_na_21_last_slice_kept_empty() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        await lab.settle()
        (empty,) = lab.slices()
        assert empty["endpoints"] == []
        lab.writes()
        lab.pod("db-0", "10.1.0.1")
        await lab.settle()
        (filled,) = lab.slices()
        assert filled["metadata"]["uid"] == empty["metadata"]["uid"]
        assert len(lab.writes()) == 1
        lab.delete_pod("db-0")
        await lab.settle()
        (left,) = lab.slices()
        assert (left["endpoints"], left["metadata"]["uid"]) == ([], empty["metadata"]["uid"])
        # The real API server answers null for an empty list.
        lab.server.put(
            SLICES,
            left["metadata"]["name"],
            NS,
            **{key: one for key, one in left.items() if key not in ("kind", "apiVersion")}
            | {"endpoints": None},
        )
        lab.writes()
        await lab.restart()
        assert lab.writes() == []
        lab.pod("db-0", "10.1.0.1")
        await lab.settle()
        assert lab.addresses() == ["10.1.0.1"]

    play(story)


def test_na_22_irrelevant_pod_update() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1")
        await lab.settle()
        lab.writes()
        lab.edit_pod("db-0", {"metadata": {"labels": {"more": "x"}, "annotations": {"a": "b"}}})
        lab.edit_status("db-0", containerStatuses=[{"name": "c", "restartCount": 1}])
        lab.edit("web", metadata={"annotations": {"example.com/x": "y"}})
        await lab.settle()
        assert lab.writes() == []

    play(story)


def test_na_23_sandbox_restart_new_ip() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", "10.1.0.1")
        await lab.settle()
        lab.writes()
        lab.attach("db-0", "10.1.0.77")
        await lab.settle()
        assert lab.addresses() == ["10.1.0.77"]
        assert [one.partition(" ")[0] for one in lab.writes()] == ["PUT"]

    play(story)


def test_na_24_label_copy_and_headless_label() -> None:
    async def story(lab: Lab) -> None:
        proxy = "service.kubernetes.io/service-proxy-name"
        lab.service(clusterIP="None", meta={"labels": {proxy: "x", names.SERVICE_LABEL: "bad"}})
        lab.pod("db-0", "10.1.0.1")
        await lab.settle()
        (one,) = lab.slices()
        assert one["metadata"]["labels"] == {
            proxy: "x",
            names.SERVICE_LABEL: "web",
            names.MANAGED_BY_LABEL: names.MANAGER,
            names.HEADLESS_LABEL: "",
        }
        lab.writes()
        lab.edit(metadata={"labels": {proxy: None, "team": "a"}})
        await lab.settle()
        (after,) = lab.slices()
        assert len(lab.writes()) == 1
        assert after["endpoints"] == one["endpoints"]
        assert "team" in after["metadata"]["labels"]
        assert proxy not in after["metadata"]["labels"]

    play(story)


def test_na_37_hints_prefer_same_zone_or_node() -> None:
    async def story(lab: Lab) -> None:
        lab.node("n1", "a")
        lab.node("n2", "b")
        lab.service("zone", trafficDistribution="PreferClose")
        lab.service("node", trafficDistribution="PreferSameNode")
        lab.service("plain", meta={"annotations": {
            names.NETWORKS: "net", names.SELECTOR: "app=db",
            "service.kubernetes.io/topology-mode": "Auto",
        }})  # fmt: skip
        lab.pod("db-0", "10.1.0.1")
        lab.pod("db-1", "10.1.0.2", spec={"nodeName": "n2"})
        lab.pod("db-2", "10.1.0.3", ready=False)
        await lab.settle()
        assert [one.get("hints") for one in lab.endpoints("zone")] == [
            {"forZones": [{"name": "a"}]},
            {"forZones": [{"name": "b"}]},
            None,
        ]
        assert lab.endpoints("node")[0]["hints"] == {
            "forZones": [{"name": "a"}],
            "forNodes": [{"name": "n1"}],
        }
        assert [one.get("hints") for one in lab.endpoints("plain")] == [None, None, None]
        assert [one["zone"] for one in lab.endpoints("plain")] == ["a", "b", "a"]
        lab.writes()
        lab.node("n2", "c")
        await lab.settle()
        assert len(lab.writes()) == 3
        assert [one["zone"] for one in lab.endpoints("plain")] == ["a", "c", "a"]

    play(story)


def test_the_status_annotation_is_watched_from_the_beginning() -> None:
    async def story(lab: Lab) -> None:
        lab.service()
        lab.pod("db-0", status=None, ready=False)
        await lab.settle()
        assert lab.events("NoAddressOnNetwork") == []
        lab.writes()
        lab.edit_pod("db-0", {"metadata": {"annotations": {STATUS_ANNOTATION: status("10.1.0.1")}}})
        await lab.settle()
        assert lab.conditions() == [(False, False, False)]
        assert len(lab.writes()) == 1

    play(story)
