"""What users of other controllers ran into, tried on this one; each names the report."""

from __future__ import annotations

import pytest
from lab_services import Lab, Raw, play
from placement_lab import Lab as Nodes
from placement_lab import run

from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_testing.apiserver import Fault


def all_ips(lab: Lab, *names: str) -> dict[str, str]:
    return {name: lab.ip(name) for name in names}


@pytest.mark.parametrize(
    "ranges",
    [
        [["192.168.0.1", "192.168.0.20"], ["192.168.0.29", "192.168.0.30"]],
        [["192.168.0.1", "192.168.0.60"]],
        [["192.168.0.3", "192.168.0.30"]],
    ],
    ids=["a hole", "larger", "smaller"],
)
def test_cilium_41458_and_40358_an_edited_pool_renumbers_nobody(ranges: list[list[str]]) -> None:
    async def story(lab: Lab) -> None:
        lab.pool(cidr="", ranges=[["192.168.0.1", "192.168.0.30"]])
        names = [f"s{number}" for number in range(5)]
        lab.service(*names)
        await lab.settle()
        before = all_ips(lab, *names)
        # Gaps in the middle, and Services that wait: the worst time to begin anew.
        lab.delete("s1", "s3")
        lab.service("waits", meta={"annotations": {"moorage.dev/pools": "none"}})
        await lab.settle()
        lab.edit_pool(ranges=ranges)
        await lab.settle()
        await lab.stop()
        lab.start()
        await lab.settle()
        kept = [name for name in names if name not in ("s1", "s3")]
        assert all_ips(lab, *kept) == {name: before[name] for name in kept}

    play(story)


def test_cilium_43131_who_comes_while_a_start_is_slow_takes_nobodys_address() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(cidr="", ranges=[["192.168.0.1", "192.168.0.6"]])
        old = [f"z{number}" for number in range(4)]
        lab.service(*old)
        await lab.settle()
        before = all_ips(lab, *old)
        await lab.stop()
        for path in ("/ipclaims", "/ipallocations", "/services"):
            lab.server.faults.append(Fault("GET", 429, {"code": 429}, path=path, times=3))
        lab.start()
        lab.service(*(f"a{number}" for number in range(4)))
        await lab.settle()
        assert all_ips(lab, *old) == before
        assert sorted(filter(None, map(lab.ip, (f"a{n}" for n in range(4))))) == [
            "192.168.0.5", "192.168.0.6",
        ]  # fmt: skip

    play(story)


def test_cilium_30700_services_share_an_address_after_a_restart_as_before() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        for number in range(3):
            lab.shared(f"s{number}", "key", 80 + number)
        await lab.settle()
        for _ in range(3):
            await lab.stop()
            lab.start()
            await lab.settle()
            assert set(all_ips(lab, "s0", "s1", "s2").values()) == {"192.168.0.1"}
        lab.shared("s3", "key", 83)
        await lab.settle()
        assert lab.ip("s3") == "192.168.0.1"

    play(story)


def test_services_of_one_key_that_come_at_once_share_one_address() -> None:
    """As a chart has them, TCP and UDP of a name server; each asked for nothing but the key."""

    async def story(lab: Lab) -> None:
        lab.pool()
        for number in range(30):
            lab.shared(f"s{number}", "dns", 1000 + number)
        await lab.settle()
        assert len(lab.records()) == len(lab.claims()) == 1
        assert {lab.ip(f"s{number}") for number in range(30)} == {"192.168.0.1"}
        # Who uses a port twice gets one of its own, and is not held up.
        lab.shared("a", "dns", 1000)
        lab.shared("b", "dns", 1000)
        await lab.settle()
        assert {lab.ip("a"), lab.ip("b")} == {"192.168.0.2", "192.168.0.3"}

    play(story)


def test_who_gets_an_address_for_its_key_and_goes_before_it_holds_up_nobody() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.server.faults.append(Fault("POST", 500, {"code": 500}, path="/ipclaims", times=3))
        lab.shared("a", "dns", 53)
        lab.shared("b", "dns", 54)
        await lab.world.pass_time(0.5)
        lab.delete("a")
        await lab.settle()
        assert lab.ip("b")
        # What was reserved for the one that is gone ends by itself.
        await lab.world.pass_time(400.0)
        assert len(lab.records()) == 1

    play(story)


def test_cilium_30078_the_only_address_comes_back_each_time() -> None:
    async def story(lab: Lab) -> None:
        lab.pool(cidr="", ranges=[["192.168.0.9", "192.168.0.9"]])
        for number in range(5):
            lab.service(f"s{number}")
            await lab.settle()
            assert lab.ip(f"s{number}") == "192.168.0.9"
            lab.delete(f"s{number}")
            await lab.settle()
        assert (lab.claims(), lab.records()) == ([], [])

    play(story)


def test_openelb_322_contradictory_requests_are_refused_and_nothing_flaps() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("a")
        await lab.settle()
        lab.edit("a", {"spec": {"loadBalancerIP": "192.168.0.9"}})
        lab.annotate("a", addresses="192.168.0.10,192.168.0.11")
        await lab.settle()
        assert lab.ip("a") == "192.168.0.1"
        assert "both IPv4" in lab.condition("a")["message"]
        writes = len(lab.world.changes)
        await lab.world.pass_time(3600.0)
        assert len(lab.world.changes) == writes

    play(story)


def test_openelb_271_services_and_their_pool_deleted_at_once_leave_nothing() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        names = [f"s{number}" for number in range(20)]
        lab.service(*names)
        await lab.settle()
        lab.delete(*names[:10])
        lab.server.delete(IPCLAIMPOOLS, "pool")
        lab.delete(*names[10:])
        await lab.settle()
        assert lab.server.find(IPCLAIMPOOLS, "pool") is None
        assert (lab.claims(), lab.records()) == ([], [])

    play(story)


def test_openelb_426_another_address_of_the_same_pool_can_be_asked_for() -> None:
    async def story(lab: Lab) -> None:
        lab.pool("first", cidr="172.31.10.32/28")
        lab.pool("second", cidr="172.31.10.48/28", priority=1)
        lab.service("web", loadBalancerIP="172.31.10.43")
        await lab.settle()
        for wanted in ("172.31.10.45", "172.31.10.55", "172.31.10.43"):
            lab.edit("web", {"spec": {"loadBalancerIP": wanted}})
            await lab.settle()
            # The former one serves until a node has the new one.
            for claim in lab.claims():
                lab.hold(claim["metadata"]["name"])
            await lab.settle()
            assert lab.ips("web") == [wanted]
        assert len(lab.records()) == 1

    play(story)


def test_metallb_448_the_pools_of_a_live_service_can_be_changed() -> None:
    async def story(lab: Lab) -> None:
        lab.pool("default", cidr="192.168.1.240/28")
        lab.pool("zone2", cidr="192.168.1.64/28", autoAssign=False)
        lab.service("web")
        await lab.settle()
        assert lab.ip("web") == "192.168.1.241"
        lab.annotate("web", pools="zone2")
        await lab.settle()
        assert "192.168.1.241" in lab.ips("web")
        for claim in lab.claims():
            lab.hold(claim["metadata"]["name"])
        await lab.settle()
        assert lab.ips("web") == ["192.168.1.65"]
        assert len(lab.claims()) == 1

    play(story)


def test_metallb_2245_a_pool_that_is_mended_is_ready_again_and_serves_who_waits() -> None:
    async def story(lab: Lab) -> None:
        spec: Raw = {"ranges": [["192.168.0.1", "192.168.0.2"]]}
        lab.pool(**spec)
        await lab.settle()
        lab.edit_pool(ranges=[["192.168.7.1", "192.168.7.2"]])
        lab.service("a")
        await lab.settle()
        ready = next(c for c in lab.pool_status()["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "Invalid")
        assert lab.ip("a") == ""
        lab.edit_pool(**spec)
        await lab.settle()
        ready = next(c for c in lab.pool_status()["conditions"] if c["type"] == "Ready")
        assert ready["status"] == "True"
        assert lab.ip("a") == "192.168.0.1"

    play(story)


def test_metallb_1591_a_pool_that_is_made_again_gives_no_address_twice() -> None:
    async def story(lab: Lab) -> None:
        lab.pool("cheap", cidr="192.168.1.0/24", avoidBuggyIPs=True)
        lab.pool("default", cidr="192.168.10.0/24", avoidBuggyIPs=True, priority=1)
        lab.service("a", "b")
        await lab.settle()
        before = all_ips(lab, "a", "b")
        lab.server.remove(IPCLAIMPOOLS, "cheap")
        lab.service("c")
        await lab.settle()
        lab.pool("cheap", cidr="192.168.1.0/24", avoidBuggyIPs=True)
        lab.service("d", "e")
        await lab.settle()
        assert all_ips(lab, "a", "b") == before
        every = list(all_ips(lab, "a", "b", "c", "d", "e").values())
        assert len(set(every) - {""}) == 5

    play(story)


def test_purelb_1_an_address_of_ipv6_is_found_behind_pools_of_ipv4() -> None:
    async def story(lab: Lab) -> None:
        lab.pool("four", cidr="192.168.0.0/24")
        lab.pool("six", cidr="2001:db8::/120", priority=9)
        lab.service("web", ipFamilies=["IPv6"], loadBalancerIP="2001:db8::77")
        await lab.settle()
        assert lab.ip("web") == "2001:db8::77"

    play(story)


def test_metallb_1339_who_only_prefers_two_families_gets_the_one_that_there_is() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        both: Raw = {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}
        lab.service("web", **both)
        await lab.settle()
        assert lab.ips("web") == ["192.168.0.1"]
        lab.pool("six", cidr="2001:db8::/120")
        await lab.settle()
        assert sorted(lab.ips("web")) == ["192.168.0.1", "2001:db8::1"]

    play(story)


def test_kube_vip_1700_a_service_that_is_no_load_balancer_any_more_gives_back_its_address() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.service("web")
        await lab.settle()
        lab.hold("192-168-0-1-24")
        lab.edit("web", {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
        await lab.settle()
        assert (lab.claims(), lab.records(), lab.ingress("web")) == ([], [], [])
        lab.edit("web", {"spec": {"type": "LoadBalancer"}})
        await lab.settle()
        assert lab.ip("web") == "192.168.0.1"

    play(story)


def test_kube_vip_823_a_second_service_without_endpoints_takes_no_address_away() -> None:
    async def story(lab: Nodes) -> None:
        lab.service("serves")
        lab.service("empty")
        lab.endpoints("serves", n1="ready")
        lab.endpoints("empty")
        claim = lab.claim("10.0.0.1", "serves", "empty")
        await lab.passes(3.0)
        node = lab.on(claim)
        assert (bool(node), lab.reason(claim)) == (True, "Announced")
        await lab.world.kill()
        lab.world.begin()
        await lab.passes(30.0)
        assert (lab.on(claim), lab.moves) == (node, [])

    run(story)


def test_metallb_263_a_live_service_that_becomes_local_takes_its_address_along() -> None:
    async def story(lab: Nodes) -> None:
        lab.service("web")
        claim = lab.claim("10.0.0.1", "web")
        await lab.passes(3.0)
        first = lab.on(claim)
        second, third = sorted({"n1", "n2", "n3"} - {first})
        lab.endpoints("web", **{second: "ready"})
        await lab.passes(3.0)
        assert lab.on(claim) == first
        lab.edit_service("web", externalTrafficPolicy="Local")
        await lab.passes(3.0)
        assert lab.on(claim) == second
        lab.endpoints("web", **{third: "ready"})
        await lab.passes(3.0)
        assert (lab.on(claim), lab.reason(claim)) == (third, "Announced")

    run(story)


def test_metallb_2403_services_that_share_can_change_their_policy_one_after_the_other() -> None:
    async def story(lab: Nodes) -> None:
        for name in ("tcp", "udp"):
            lab.service(name)
            lab.endpoints(name, n3="ready")
        claim = lab.claim("10.0.0.1", "tcp", "udp")
        await lab.passes(3.0)
        for policy in ("Local", "Cluster", "Local"):
            for name in ("tcp", "udp"):
                lab.edit_service(name, externalTrafficPolicy=policy)
                await lab.passes(3.0)
                assert lab.reason(claim) == "Announced"
        assert lab.on(claim) == "n3"

    run(story)
