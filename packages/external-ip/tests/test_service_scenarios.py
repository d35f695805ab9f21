"""Named scenarios of research/external-ip.md, as far as they are the API's: §5.1 and §5.2."""

from __future__ import annotations

from typing import Any

import pytest
from lab_services import CLASS, NS, Lab, play

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_external_ip.kinds import SERVICES
from moorage_kube.client.kinds import NODES
from moorage_testing.apiserver import Fault

Raw = dict[str, Any]


def test_a_service_gets_a_claim_and_its_status_says_so() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(cidr="192.168.0.0/29")
        lab.service("web")
        await lab.settle()
        assert lab.ingress("web") == [{"ip": "192.168.0.1", "ipMode": "VIP"}]
        assert lab.ip("web") == "192.168.0.1"
        claim = lab.claim("192-168-0-1-29")
        assert claim["metadata"]["labels"]["ip-pool-name"] == "pool"
        assert claim["spec"]["cidr"] == "192.168.0.1/29"
        assert [one["name"] for one in claim["spec"]["services"]] == ["web"]
        assert (lab.reason("web"), lab.condition("web")["status"]) == ("Assigned", "True")
        assert lab.pool_status()["used"] == 1
        lab.delete("web")
        await lab.settle()
        assert (lab.claims(), lab.records()) == ([], [])
        assert lab.pool_status()["free"] == "6"

    play(story)


def test_a_service_costs_five_writes() -> None:
    """Its record, its claim, the claim's uid in the record, and both statuses."""

    async def story(lab: Lab) -> None:
        lab.pool()
        await lab.settle()
        before = len(lab.world.changes)
        lab.service("web")
        await lab.world.pass_time(0.9)
        writes = [one.split("?")[0] for one in lab.world.changes[before:]]
        assert len(writes) == 5, writes

    play(story)


def test_late_pool() -> None:
    async def story(lab: Lab) -> None:
        names = [f"s{number:03}" for number in range(100)]
        # Later names are older: neither their names nor the order of the list decides.
        for age, name in enumerate(reversed(names)):
            minute, second = divmod(age, 60)
            lab.service(name, meta={"creationTimestamp": f"2026-01-01T00:{minute:02}:{second:02}Z"})
        await lab.settle()
        assert {lab.reason(name) for name in names} == {"NoPool"}
        lab.pool(ranges=[["192.168.0.1", "192.168.0.50"]])
        await lab.world.pass_time(2.0)
        served = [name for name in names if lab.ip(name)]
        assert served == names[50:]
        await lab.settle()
        assert {lab.reason(name) for name in names[:50]} == {"PoolExhausted"}
        lab.pool("more", cidr="", ranges=[["192.168.1.1", "192.168.1.100"]])
        await lab.world.pass_time(2.0)
        assert all(lab.ip(name) for name in names)

    play(story)


def test_freed_retry() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.50"]])
        first = [f"a{number:02}" for number in range(50)]
        lab.service(*first)
        await lab.settle()
        for age in range(60):
            lab.service(
                f"b{age:02}", meta={"creationTimestamp": f"2030-01-01T00:00:{59 - age:02}Z"}
            )
        await lab.settle()
        lab.delete(*first)
        await lab.world.pass_time(2.0)
        served = {name for name in (f"b{age:02}" for age in range(60)) if lab.ip(name)}
        assert served == {f"b{age:02}" for age in range(10, 60)}

    play(story)


def test_a_grown_pool_serves_who_waits() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.1"]])
        lab.service("a", "b")
        await lab.settle()
        assert sorted((lab.ip("a"), lab.ip("b"))) == ["", "192.168.0.1"]
        lab.edit_pool(ranges=[["192.168.0.1", "192.168.0.2"]])
        await lab.world.pass_time(2.0)
        assert {lab.ip("a"), lab.ip("b")} == {"192.168.0.1", "192.168.0.2"}

    play(story)


def test_exhaustion_visible() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(cidr="192.168.0.0/30")
        names = [f"s{number}" for number in range(5)]
        lab.service(*names)
        await lab.settle()
        assert sum(bool(lab.ip(name)) for name in names) == 2
        late = [name for name in names if not lab.ip(name)]
        assert {lab.reason(name) for name in late} == {"PoolExhausted"}
        assert all(lab.condition(name)["status"] == "False" for name in late)
        for name in late:
            (event,) = lab.events(name, "PoolExhausted")
            assert event["type"] == "Warning"
        status = lab.pool_status()
        assert (status["free"], status["waiting"], status["used"]) == ("0", 3, 2)
        (exhausted,) = (one for one in status["conditions"] if one["type"] == "Exhausted")
        assert exhausted["status"] == "True"
        assert lab.world.manager is not None
        found = lab.world.manager.registry.get_sample_value(
            "moorage_external_ip_services", {"reason": "PoolExhausted"}
        )
        assert found == 3

    play(story)


def test_double_alloc_race() -> None:
    """Two controllers at once, with answers lost and conflicts: no address has two owners."""

    async def story(lab: Lab) -> None:
        other = Lab()
        other.world.server = lab.server
        other.start()
        lab.pool(cidr="192.168.0.0/24")
        names = [f"s{number:03}" for number in range(200)]
        lab.service(*names)
        for verb in ("POST", "PATCH"):
            conflict = {"reason": "Conflict"}
            lab.server.faults.append(Fault(verb, 409, conflict, times=20))
            lab.server.faults.append(Fault(verb, drop="after", times=5))
            lab.server.faults.append(Fault(verb, drop="before", times=5))
        # Both go on to the end: they do not undo each other's work for ever.
        await lab.settle()
        assert len({lab.ip(name) for name in names} - {""}) == 200
        assert len(lab.records()) == len(lab.claims()) == 200
        assert len(lab.held()) == 200

    play(story)


def test_restart_no_steal() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.10"]])
        first = [f"z{number}" for number in range(10)]
        lab.service(*first)
        await lab.settle()
        lab.service(*(f"a{number}" for number in range(10)))
        await lab.settle()
        before = {name: lab.ip(name) for name in first}
        for _ in range(20):
            await lab.stop()
            lab.start()
            await lab.world.pass_time(1.0)
        await lab.settle()
        assert {name: lab.ip(name) for name in first} == before
        assert "" not in before.values()

    play(story)


def test_restart_without_records_and_claims_steals_nothing() -> None:
    """What the status of a Service says is in use, also where all else was lost."""

    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.2"]])
        lab.service("old")
        await lab.settle()
        kept = lab.ip("old")
        lab.service("filler")
        await lab.settle()
        lab.service("a-waits")
        await lab.settle()
        await lab.stop()
        for one in lab.claims():
            lab.server.delete(IPCLAIMS, one["metadata"]["name"])
        for one in lab.records():
            lab.server.delete(IPALLOCATIONS, one["metadata"]["name"])
        lab.start()
        await lab.settle()
        assert lab.ip("old") == kept
        assert lab.reason("a-waits") == "PoolExhausted"

    play(story)


def test_shared_ip() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.shared("tcp", "dns", 80)
        await lab.settle()
        lab.shared("udp", "dns", 53, protocol="UDP")
        await lab.settle()
        assert lab.ip("tcp") == lab.ip("udp") == "192.168.0.1"
        asked = {"annotations": {"moorage.dev/addresses": "192.168.0.1"}}
        lab.shared("again", "dns", 80, meta=asked)
        lab.shared("other", "key", 81, meta=asked)
        await lab.settle()
        assert (lab.ip("again"), lab.reason("again")) == ("", "AddressInUse")
        assert "port TCP 80" in lab.condition("again")["message"]
        assert "keys" in lab.condition("other")["message"]
        lab.delete("tcp")
        await lab.settle()
        assert lab.ip("udp") == "192.168.0.1"
        # What it waited for is free now.
        assert lab.ip("again") == "192.168.0.1"

    play(story)


@pytest.mark.parametrize("across", [False, True])
def test_two_namespaces_share_where_the_pool_allows_it(across: bool) -> None:  # noqa: FBT001 - a case
    async def story(lab: Lab) -> None:
        lab.pool(shareAcrossNamespaces=across)
        lab.shared("a", "key", 80)
        await lab.settle()
        lab.shared("b", "key", 81, namespace="other")
        await lab.settle()
        assert (lab.ip("a") == lab.ip("b", "other")) is across

    play(story)


def test_manual_pool_ip_owner() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(allowExternalIPs=True)
        lab.shared("a", "key", 80)
        await lab.settle()
        ip = lab.ip("a")
        usual: Raw = {"type": "ClusterIP", "loadBalancerClass": None}
        lab.shared("b", "key", 81, externalIPs=[ip], **usual)
        await lab.settle()
        claim = "192-168-0-1-24"
        assert {one["name"] for one in lab.claim(claim)["spec"]["services"]} == {"a", "b"}
        lab.delete("a")
        await lab.settle()
        assert [one["name"] for one in lab.claim(claim)["spec"]["services"]] == ["b"]
        assert lab.find("b")["spec"]["externalIPs"] == [ip]
        assert "status" not in lab.find("b") or not lab.ingress("b")
        lab.delete("b")
        await lab.settle()
        assert lab.claims() == []

    play(story)


def test_dual_stack() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        both = {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}
        lab.service("both", **both)
        lab.service("maybe", ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="PreferDualStack")
        await lab.settle()
        # All or nothing where both are required.
        assert (lab.ips("both"), lab.reason("both")) == ([], "NoPool")
        assert lab.ips("maybe") == ["192.168.0.1"]
        lab.pool("six", cidr="2001:db8::/64")
        await lab.settle()
        assert {one["spec"]["cidr"] for one in lab.claims()} == {
            "192.168.0.1/24", "192.168.0.2/24", "2001:db8::1/64", "2001:db8::2/64",
        }  # fmt: skip
        assert len(lab.ips("both")) == len(lab.ips("maybe")) == 2
        assert lab.ips("both")[0].startswith("2001:db8::")
        assert lab.claim("2001-0db8-0000-0000-0000-0000-0000-0001-64")

    play(story)


def test_lb_class() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("other", loadBalancerClass="example.com/lb")
        lab.service("plain", type="ClusterIP", loadBalancerClass=None)
        served = {"loadBalancer": {"ingress": [{"ip": "10.9.9.9"}]}}
        lab.service("cloud", loadBalancerClass=None)
        lab.status("cloud", served)
        lab.service("ours")
        lab.service("none", loadBalancerClass=None)
        lab.service("auto", loadBalancerClass="example.com/lb", meta={
            "annotations": {"external-ip": "auto"},
        })  # fmt: skip
        before = {name: lab.find(name) for name in ("other", "plain", "cloud", "auto")}
        await lab.settle()
        assert {name: lab.find(name) for name in before} == before
        assert lab.ip("ours")
        assert lab.ip("none")

    play(story)


def test_lb_class_of_another_is_never_written_also_without_pools() -> None:
    async def story(lab: Lab) -> None:
        lab.service("other", loadBalancerClass="example.com/lb", externalIPs=["192.168.0.9"])
        lab.service("bare", loadBalancerClass=None)
        before = [lab.find(name) for name in ("other", "bare")]
        await lab.settle()
        assert [lab.find(name) for name in ("other", "bare")] == before

    play(story, serve_without_class=False)


def test_status_heal() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        ip = lab.ip("web")
        await lab.world.pass_time(700.0)
        lab.status("web", {"loadBalancer": {}})
        await lab.world.pass_time(2.0)
        assert lab.ip("web") == ip
        foreign = {"hostname": "lb.example.com"}
        extra = {"ip": ip, "ports": [{"port": 80, "protocol": "TCP"}]}
        await lab.world.pass_time(700.0)
        lab.status("web", {"loadBalancer": {"ingress": [foreign, extra]}})
        await lab.settle()
        assert lab.ingress("web") == [foreign, {**extra, "ipMode": "VIP"}]
        lab.edit("web", {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
        await lab.settle()
        assert lab.ingress("web") == [foreign]
        assert (lab.condition("web"), lab.claims(), lab.records()) == ({}, [], [])

    play(story)


def test_status_heal_does_not_fight() -> None:
    """Another writer empties the status each time: ours is written less and less often."""

    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        writes: list[str] = []

        def rival(asked: Any) -> None:
            if asked.mutating and asked.path.endswith("/services/web/status"):
                writes.append(str(asked))
                lab.status("web", {"loadBalancer": {}})

        lab.server.after.append(rival)
        lab.status("web", {"loadBalancer": {}})
        await lab.world.pass_time(60.0)
        first_minute = len(writes)
        await lab.world.pass_time(240.0)
        assert 1 < first_minute <= 6
        assert len(writes) - first_minute <= 4
        (event,) = lab.events("web", "Contested")
        assert event["type"] == "Warning"

    play(story)


def test_own_ip_safe() -> None:
    async def story(lab: Lab) -> None:
        lab.node("n1", "192.168.0.1", podCIDRs=["192.168.0.64/26"])
        lab.pool(allowExternalIPs=True)
        usual: Raw = {"type": "ClusterIP", "loadBalancerClass": None}
        lab.service("other", clusterIPs=["192.168.0.2"], **usual)
        lab.service("node", externalIPs=["192.168.0.1"], **usual)
        lab.service("pod", externalIPs=["192.168.0.70"], **usual)
        lab.service("cluster", externalIPs=["192.168.0.2"], **usual)
        lab.service("kept", externalIPs=["192.168.0.250"], **usual)
        lab.service("nowhere", externalIPs=["10.1.1.1"], **usual)
        lab.service("asks", loadBalancerIP="192.168.0.1")
        await lab.settle()
        assert lab.claims() == []
        for name in ("node", "pod", "cluster", "kept"):
            (event,) = lab.events(name, "RequestRefused")
            assert event["type"] == "Warning"
            assert lab.find(name)["spec"]["externalIPs"]
        assert "Node n1" in lab.condition("asks")["message"]
        lab.service("any")
        await lab.settle()
        assert lab.ip("any") == "192.168.0.3"

    play(story, reserved_cidrs="192.168.0.248/29")


def test_external_ips_are_bounded_by_pools_and_namespaces() -> None:
    async def story(lab: Lab) -> None:
        usual: Raw = {"type": "ClusterIP", "loadBalancerClass": None}
        lab.pool("closed", cidr="192.168.0.0/24")
        lab.pool("open", cidr="192.168.1.0/24", allowExternalIPs=True, namespaces=["other"])
        lab.service("a", externalIPs=["192.168.0.9"], **usual)
        lab.service("b", externalIPs=["192.168.1.9"], **usual)
        lab.service("c", externalIPs=["192.168.1.9"], namespace="other", **usual)
        await lab.settle()
        assert [one["metadata"]["name"] for one in lab.claims()] == ["192-168-1-9-24"]
        assert lab.events("a", "RequestRefused")
        assert lab.events("b", "RequestRefused")
        assert "status" not in lab.find("c", "other")

    play(story)


def test_a_load_balancer_may_list_its_own_address_and_others_by_hand() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(allowExternalIPs=True)
        lab.service("own")
        await lab.settle()
        lab.edit("own", {"spec": {"externalIPs": [lab.ip("own")]}})
        lab.service("more", externalIPs=["192.168.0.9"])
        await lab.settle()
        assert lab.ip("own") == "192.168.0.1"
        assert lab.find("own")["spec"]["externalIPs"] == ["192.168.0.1"]
        assert lab.ip("more") == "192.168.0.2"
        assert lab.find("more")["spec"]["externalIPs"] == ["192.168.0.9"]
        assert lab.held() == {"192.168.0.1", "192.168.0.2", "192.168.0.9"}
        lab.edit("more", {"spec": {"externalIPs": None}})
        lab.edit("own", {"spec": {"externalIPs": None}})
        await lab.settle()
        assert lab.held() == {"192.168.0.1", "192.168.0.2"}

    play(story)


def test_validation_of_what_the_schema_cannot_see() -> None:
    async def story(lab: Lab) -> None:
        lab.pool("reversed", cidr="", ranges=[["2001:db8::9", "2001:db8::1"]])
        lab.pool("outside", cidr="192.168.0.0/24", ranges=[["192.168.1.1", "192.168.1.2"]])
        lab.pool("one", cidr="192.168.2.0/24")
        lab.pool("two", cidr="192.168.2.128/25")
        await lab.settle()
        for name, words in (("reversed", "spec.ranges[0]"), ("outside", "spec.ranges")):
            ready = next(
                one for one in lab.pool_status(name)["conditions"] if one["type"] == "Ready"
            )
            assert (ready["status"], ready["reason"]) == ("False", "Invalid")
            assert words in ready["message"]
        for name, other in (("one", "two"), ("two", "one")):
            conditions = lab.pool_status(name)["conditions"]
            overlap = next(one for one in conditions if one["type"] == "Overlapping")
            assert (overlap["status"], other in overlap["message"]) == ("True", True)

    play(story)


AUTO: Raw = {"annotations": {"external-ip": "auto"}}
NODE_PORT: Raw = {"type": "NodePort", "loadBalancerClass": None}


def seed_claim(lab: Lab, name: str, cidr: str, owner: str = "", node: str = "") -> None:
    """A claim as the first version made it, and as it was after its first placement."""
    reference = {"apiVersion": "v1", "kind": "ServiceReference", "name": owner}
    reference |= {"uid": f"{NS}/{owner}"}
    meta: Raw = {"labels": {"ipnode": node}} if node else {}
    meta |= {"ownerReferences": [reference]} if owner else {}
    spec = {"cidr": cidr, "nodeName": node, "link": ""}
    lab.server.put(IPCLAIMS, name, metadata=meta, spec=spec)


def seed_pool(lab: Lab) -> None:
    """The first version's example, with an address that it has given."""
    lab.pool(
        "test-pool",
        cidr="192.168.0.248/29",
        ranges=[["192.168.0.249", "192.168.0.250"], ["192.168.0.252", "192.168.0.253"]],
        allocated={"192.168.0.249": "192-168-0-249-29"},
    )


def test_seed_compat() -> None:
    """What the first version left behind is taken over, before anybody new is served."""

    async def story(lab: Lab) -> None:
        await lab.stop()
        seed_pool(lab)
        lab.service("a-new")
        lab.service("auto", meta=AUTO, externalIPs=["192.168.0.249"], **NODE_PORT)
        lab.service("lb", loadBalancerClass=None)
        seed_claim(lab, "192-168-0-249-29", "192.168.0.249/29", "auto", "n1")
        seed_claim(lab, "10-0-0-7-24", "10.0.0.7/24")
        lab.start()
        await lab.settle()
        claim = lab.claim("192-168-0-249-29")
        assert [one["name"] for one in claim["spec"]["services"]] == ["auto"]
        assert claim["spec"]["nodeName"] == "n1"
        assert claim["metadata"]["labels"] == {"ipnode": "n1", "ip-pool-name": "test-pool"}
        assert not claim["metadata"].get("ownerReferences")
        assert lab.find("auto")["spec"]["externalIPs"] == ["192.168.0.249"]
        assert {lab.ip("a-new"), lab.ip("lb")} == {"192.168.0.250", "192.168.0.252"}
        assert lab.allocated("10-0-0-7-24") == "ByHand"
        pool = lab.server.find(IPCLAIMPOOLS, "test-pool")
        assert pool is not None
        assert pool["spec"]["allocated"] == {"192.168.0.249": "192-168-0-249-29"}

    play(story)


def test_seed_compat_of_the_annotation() -> None:
    """It writes into spec.externalIPs, and what it wrote goes with it."""

    async def story(lab: Lab) -> None:
        seed_pool(lab)
        seed_claim(lab, "192-168-0-249-29", "192.168.0.249/29", "auto", "n1")
        lab.service("auto", meta=AUTO, externalIPs=["192.168.0.249"], **NODE_PORT)
        lab.service("fresh", meta=AUTO, externalIPs=["10.5.5.5"], **NODE_PORT)
        await lab.settle()
        assert lab.find("fresh")["spec"]["externalIPs"] == ["10.5.5.5", "192.168.0.250"]
        assert lab.find("auto")["spec"]["externalIPs"] == ["192.168.0.249"]
        for name in ("auto", "fresh"):
            lab.edit(name, {"metadata": {"annotations": {"external-ip": None}}})
        await lab.settle()
        assert lab.find("fresh")["spec"]["externalIPs"] == ["10.5.5.5"]
        assert "externalIPs" not in lab.find("auto")["spec"]
        assert (lab.claims(), lab.records()) == ([], [])

    play(story)


def test_seed_compat_of_a_load_balancer_moves_its_address_into_its_status() -> None:
    async def story(lab: Lab) -> None:
        await lab.stop()
        seed_pool(lab)
        lab.service("lb", loadBalancerClass=None, externalIPs=["192.168.0.249"])
        # The first version wrote the status once, and lost it where that failed.
        seed_claim(lab, "192-168-0-249-29", "192.168.0.249/29", "lb", "n1")
        lab.start()
        await lab.settle()
        assert lab.ip("lb") == "192.168.0.249"
        assert "externalIPs" not in lab.find("lb")["spec"]
        assert len(lab.claims()) == 1

    play(story)


def test_seed_compat_of_a_claim_whose_services_are_gone() -> None:
    async def story(lab: Lab) -> None:
        seed_pool(lab)
        seed_claim(lab, "192-168-0-249-29", "192.168.0.249/29", "gone", "n1")
        await lab.settle()
        assert (lab.claims(), lab.records()) == ([], [])

    play(story)


def test_seed_compat_of_addresses_by_hand_that_have_a_claim() -> None:
    """No pool allows them now; who has one keeps it for as long as it lists it."""

    async def story(lab: Lab) -> None:
        lab.service("web", type="ClusterIP", loadBalancerClass=None, externalIPs=["10.0.0.7"])
        seed_claim(lab, "10-0-0-7-24", "10.0.0.7/24", "web", "n1")
        await lab.settle()
        assert [one["name"] for one in lab.claim("10-0-0-7-24")["spec"]["services"]] == ["web"]
        assert lab.allocated("10-0-0-7-24") == "OutOfPool"
        lab.edit("web", {"spec": {"externalIPs": None}})
        await lab.settle()
        assert (lab.claims(), lab.records()) == ([], [])

    play(story)


def test_who_lacks_one_of_two_families_holds_up_nobody() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.1"]])
        old = {"creationTimestamp": "2026-01-01T00:00:00Z"}
        both = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
        lab.service("old", meta=old, **both)
        lab.service("young", meta={"creationTimestamp": "2026-01-02T00:00:00Z"})
        await lab.settle()
        assert (lab.ips("old"), lab.ip("young")) == ([], "192.168.0.1")
        lab.pool("six", cidr="2001:db8::/64")
        lab.delete("young")
        await lab.settle()
        assert lab.ips("old") == ["192.168.0.1", "2001:db8::1"]

    play(story)


def test_an_address_that_a_node_gets_is_not_given_any_more() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.2"]])
        await lab.settle()
        lab.node("n1", "192.168.0.1")
        await lab.settle()
        lab.service("a", "b")
        await lab.settle()
        assert lab.held() == {"192.168.0.2"}
        lab.server.delete(NODES, "n1")
        await lab.settle()
        assert lab.held() == {"192.168.0.1", "192.168.0.2"}

    play(story)


def test_metrics_of_a_pool() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(cidr="192.168.0.0/30", reuseDelaySeconds=600)
        lab.service("a", "b", "c")
        await lab.settle()
        assert lab.world.manager is not None
        value = lab.world.manager.registry.get_sample_value
        names = ("addresses", "addresses_used", "addresses_free", "services_waiting", "ready")
        found = {one: value(f"moorage_external_ip_pool_{one}", {"pool": "pool"}) for one in names}
        assert found == dict(zip(names, (2, 2, 0, 1, 1), strict=True))
        assert value("moorage_external_ip_claims", {"reason": "InPool"}) == 2
        # Nobody places them here.
        assert value("moorage_external_ip_claim_phases", {"reason": ""}) == 2
        assert value("moorage_external_ip_services", {"reason": "Assigned"}) == 2
        lab.delete("a", "b", "c")
        await lab.settle()
        quarantined = value("moorage_external_ip_pool_addresses_quarantined", {"pool": "pool"})
        assert quarantined == 2
        assert value("moorage_external_ip_services", {"reason": "Assigned"}) is None

    play(story)


def test_a_requested_address_is_that_one_or_none() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(autoAssign=False)
        lab.service("old", loadBalancerIP="192.168.0.77")
        lab.service("new", meta={"annotations": {"moorage.dev/addresses": "192.168.0.78"}})
        lab.service("out", loadBalancerIP="10.0.0.1")
        lab.service("bad", loadBalancerIP="nonsense")
        lab.service("six", loadBalancerIP="2001:db8::1")
        await lab.settle()
        lab.service("late", loadBalancerIP="192.168.0.77")
        await lab.settle()
        assert (lab.ip("old"), lab.ip("new")) == ("192.168.0.77", "192.168.0.78")
        assert {lab.reason(name) for name in ("out", "bad", "six")} == {"RequestRefused"}
        assert lab.reason("late") == "AddressInUse"
        lab.delete("old")
        await lab.settle()
        assert lab.ip("late") == "192.168.0.77"

    play(story)


def test_pools_are_chosen_by_priority_namespace_labels_and_annotation() -> None:
    async def story(lab: Lab) -> None:
        lab.namespace(NS, team="red")
        lab.namespace("other", team="blue")
        lab.pool("a-last", cidr="10.0.1.0/24", priority=10)
        lab.pool("first", cidr="10.0.2.0/24", serviceSelector={"matchLabels": {"app": "web"}})
        lab.pool("blue", cidr="10.0.3.0/24", namespaceSelector={"matchLabels": {"team": "blue"}})
        lab.pool("named", cidr="10.0.4.0/24", autoAssign=False)
        lab.service("plain")
        lab.service("web", meta={"labels": {"app": "web"}})
        lab.service("blue", namespace="other")
        lab.service("asks", meta={"annotations": {"moorage.dev/pools": "gone, named"}})
        lab.service("lost", meta={"annotations": {"moorage.dev/pools": "blue"}})
        await lab.settle()
        assert lab.ip("plain") == "10.0.1.1"
        assert lab.ip("web") == "10.0.2.1"
        assert lab.ip("blue", "other") == "10.0.3.1"
        assert lab.ip("asks") == "10.0.4.1"
        assert lab.reason("lost") == "NoPool"
        assert f"namespace {NS}" in lab.condition("lost")["message"]
        lab.namespace(NS, team="blue")
        await lab.settle()
        assert lab.ip("lost") == "10.0.3.2"

    play(story)


def test_exclusions_and_buggy_addresses_are_not_given() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(
            cidr="",
            ranges=[["10.0.0.253", "10.0.1.2"]],
            exclude=["10.0.0.253", "10.0.1.2/32"],
            avoidBuggyIPs=True,
        )
        lab.service("a", "b", "c")
        await lab.settle()
        assert lab.held() == {"10.0.0.254", "10.0.1.1"}

    play(story)


def test_an_edit_is_make_before_break() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        lab.service("taken", loadBalancerIP="192.168.0.9")
        await lab.settle()
        lab.hold("192-168-0-1-24")
        lab.annotate("web", addresses="192.168.0.9")
        await lab.settle()
        assert (lab.ip("web"), lab.reason("web")) == ("192.168.0.1", "KeptFormer")
        lab.annotate("web", addresses="192.168.0.8")
        await lab.settle()
        # The new one is not up yet.
        assert sorted(lab.ips("web")) == ["192.168.0.1", "192.168.0.8"]
        lab.hold("192-168-0-8-24")
        await lab.settle()
        assert lab.ip("web") == "192.168.0.8"
        assert "192.168.0.1" not in lab.held()

    play(story)


def test_a_pool_edited_under_live_addresses_takes_none_away() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.2"]])
        lab.service("a", "b")
        await lab.settle()
        before = {lab.ip("a"), lab.ip("b")}
        lab.edit_pool(ranges=[["192.168.0.2", "192.168.0.3"]])
        await lab.settle()
        assert {lab.ip("a"), lab.ip("b")} == before
        assert lab.allocated("192-168-0-1-24") == "OutOfPool"
        assert lab.allocated("192-168-0-2-24") == "InPool"
        assert lab.pool_status()["outOfRange"] == 1
        lab.service("c", "d")
        await lab.settle()
        assert lab.held() == {"192.168.0.1", "192.168.0.2", "192.168.0.3"}

    play(story)


def test_a_pool_in_use_waits_for_its_last_address() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        lab.server.delete(IPCLAIMPOOLS, "pool")
        lab.service("late")
        await lab.settle()
        assert lab.ip("web") == "192.168.0.1"
        assert lab.reason("late") == "NoPool"
        (ready,) = (one for one in lab.pool_status()["conditions"] if one["type"] == "Ready")
        assert ready["reason"] == "InUse"
        assert "192.168.0.1" in ready["message"]
        lab.delete("web")
        await lab.settle()
        assert lab.server.find(IPCLAIMPOOLS, "pool") is None

    play(story)


def test_a_claim_deleted_by_hand_comes_back_with_its_address() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.1"]])
        lab.service("web")
        await lab.settle()
        lab.service("waits")
        await lab.settle()
        lab.server.delete(IPCLAIMS, "192-168-0-1-24")
        await lab.settle()
        assert (lab.ip("web"), lab.ip("waits")) == ("192.168.0.1", "")

    play(story)


def test_a_claim_deleted_by_hand_comes_back_also_where_its_pool_changed() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        lab.edit_pool(cidr="192.168.9.0/24")
        await lab.settle()
        lab.server.delete(IPCLAIMS, "192-168-0-1-24")
        await lab.settle()
        assert lab.ip("web") == "192.168.0.1"
        assert lab.allocated("192-168-0-1-24") == "OutOfPool"

    play(story)


def test_a_second_claim_of_an_address_gets_nothing_and_says_why() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        lab.server.put(IPCLAIMS, "mine", spec={"cidr": "192.168.0.1/32"})
        await lab.settle()
        assert lab.allocated("mine") == "AddressConflict"
        (event,) = lab.events("mine", "AddressConflict")
        assert event["type"] == "Warning"
        assert "192-168-0-1-24" in event["message"]
        assert [one["ip"] for one in lab.ingress("web")] == ["192.168.0.1"]
        lab.delete("web")
        await lab.settle()
        assert lab.allocated("mine") == "ByHand"

    play(story)


def test_a_dry_run_takes_nothing_and_holds_up_nobody() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.1"]])
        dry = {"annotations": {"moorage.dev/dry-run": "true"}}
        lab.service("dry", meta=dry | {"creationTimestamp": "2026-01-01T00:00:00Z"})
        lab.service("web")
        await lab.settle()
        assert (lab.ip("dry"), lab.ip("web")) == ("", "192.168.0.1")

    play(story)


def test_a_service_recreated_under_its_name_is_another_one() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        uid = lab.find("web")["metadata"]["uid"]
        await lab.stop()
        lab.delete("web")
        lab.service("web")
        lab.start()
        await lab.settle()
        (claim,) = lab.claims()
        assert [one["uid"] for one in claim["spec"]["services"]] != [uid]
        assert lab.ip("web")
        assert len(lab.records()) == 1

    play(story)


def test_a_service_that_leaves_its_type_gives_its_address_back() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        lab.edit("web", {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
        await lab.settle()
        assert (lab.ingress("web"), lab.claims(), lab.records()) == ([], [], [])

    play(story)


def test_one_whose_claim_is_lost_as_it_leaves_its_type_promises_nothing() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        lab.edit("web", {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
        lab.server.delete(IPCLAIMS, "192-168-0-1-24")
        await lab.settle()
        assert (lab.ingress("web"), lab.condition("web"), lab.claims()) == ([], {}, [])

    play(story)


def test_policy_and_ports_of_services_stand_in_their_claims() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(onlyServicePorts=True, interface="eth1")
        lab.service("web", externalTrafficPolicy="Local", healthCheckNodePort=32000)
        await lab.settle()
        spec = lab.claim("192-168-0-1-24")["spec"]
        assert (spec["healthCheckNodePorts"], spec["interface"]) == ([32000], "eth1")
        assert spec["ports"] == [{"protocol": "TCP", "port": 80}]
        lab.edit("web", {"spec": {"ports": [{"protocol": "UDP", "port": 53}]}})
        lab.edit_pool(interface="eth2")
        await lab.settle()
        spec = lab.claim("192-168-0-1-24")["spec"]
        assert (spec["ports"], spec["interface"]) == ([{"protocol": "UDP", "port": 53}], "eth2")
        assert spec["services"][0]["ports"] == spec["ports"]
        lab.edit("web", {"spec": {"externalTrafficPolicy": "Cluster", "healthCheckNodePort": None}})
        await lab.settle()
        assert lab.claim("192-168-0-1-24")["spec"]["healthCheckNodePorts"] == []

    play(story)


def test_a_reuse_delay_keeps_an_address_from_the_next_one() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.1"]], reuseDelaySeconds=600)
        lab.service("a")
        await lab.settle()
        lab.delete("a")
        lab.service("b")
        await lab.settle()
        assert lab.ip("b") == ""
        assert "comes free at" in lab.condition("b")["message"]
        await lab.world.pass_time(620.0)
        assert lab.ip("b") == "192.168.0.1"

    play(story)


def test_addresses_of_machines_are_not_given_to_services() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(ranges=[["192.168.0.1", "192.168.0.2"]])
        owner = {"kind": "IPAddressClaim", "namespace": "machines", "name": "m", "uid": "u"}
        body = {"apiVersion": IPALLOCATIONS.api_version, "kind": IPALLOCATIONS.name}
        spec = {"address": "192.168.0.1", "network": "default", "owner": owner}
        meta = {"name": "default-c0a80001"}
        lab.server.create(IPALLOCATIONS, body | {"metadata": meta, "spec": spec})
        lab.service("web")
        lab.service("asks", loadBalancerIP="192.168.0.1")
        await lab.settle()
        assert lab.ip("web") == "192.168.0.2"
        assert "IPAddressClaim machines/m" in lab.condition("asks")["message"]

    play(story)


def test_the_class_can_be_set() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("mine", loadBalancerClass="example.com/ours")
        lab.service("default", loadBalancerClass=CLASS)
        await lab.settle()
        assert (bool(lab.ip("mine")), bool(lab.ip("default"))) == (True, False)
        assert lab.server.find(SERVICES, "default", NS)

    play(story, load_balancer_class="example.com/ours")
