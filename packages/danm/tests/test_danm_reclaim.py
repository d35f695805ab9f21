"""Reclaim: what is freed when a node dies, and what never is."""

from __future__ import annotations

import pytest
from cluster_danm import NS, OUT_OF_SERVICE, SHUT_DOWN
from lab_danm import Lab, play

STATIC = {"network": "net", "ip": "10.0.0.5"}


async def replaced(lab: Lab, within: float = 60.0) -> None:
    """A replacement on another node gets the address."""
    lab.pod("new", "b", STATIC)
    await lab.run(within)
    assert lab.has_address("new")
    assert lab.bits("net") == {5}
    assert lab.leaks() == []


async def kept(lab: Lab, seconds: float = 900.0) -> None:
    """A replacement does not get it for so long."""
    lab.pod("new", "b", STATIC)
    await lab.run(seconds)
    assert not lab.has_address("new")
    assert lab.bits("net") == {5}
    (endpoint,) = lab.endpoints("old")
    assert endpoint["spec"]["Interface"]["Address"] == "10.0.0.5/24"


async def with_old(lab: Lab) -> None:
    lab.pod("old", "a", STATIC)
    await lab.started("old")


def test_rec_gone() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.remove_node("a")
        await lab.run(29.0)
        assert lab.bits("net") == {5}
        await lab.run(5.0)
        assert lab.endpoints("old") == []
        await replaced(lab)

    play(story)


@pytest.mark.parametrize("taint", [OUT_OF_SERVICE, SHUT_DOWN])
def test_rec_out_of_service_and_rec_shutdown_taint(taint: str) -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.fence("a", taint)
        await lab.run(3.0)
        assert lab.endpoints("old") == []
        assert lab.bits("net") == set()
        await replaced(lab)

    play(story)


@pytest.mark.parametrize("policy", ["strict", "grace"])
def test_rec_ready_false_never(policy: str) -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.ready("a", "False")
        await kept(lab)
        lab.delete_pod("old", grace_seconds=0.0)
        lab.hosts.by_name["a"].end()
        await kept_after(lab)

    async def kept_after(lab: Lab) -> None:
        await lab.run(600.0)
        assert not lab.has_address("new")

    play(story, policy=policy)


def test_rec_immediate_parity() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.ready("a", "False")
        await replaced(lab)
        (said,) = {one for one in lab.messages("Reclaiming") if "not proved" in one}
        assert "two may have one address" in said
        assert "Warning" in {one["type"] for one in lab.events("Reclaiming")}

    play(story, policy="immediate")


def test_rec_unreachable_grace() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.pod("new", "b", STATIC)
        lab.die("a")
        await lab.run(5.0)
        lab.unreachable("a")
        lab.delete_pod("old", grace_seconds=30.0)
        last_beat = lab.renewed("a")
        await lab.run(last_beat + 59.0 - lab.now())
        assert lab.bits("net") == {5}
        assert lab.endpoints("old")[0]["spec"]["Interface"]["Address"] == "10.0.0.5/24"
        await lab.run(2.0)
        assert lab.endpoints("old")[0]["spec"]["Interface"]["Address"] == ""
        await lab.run(10.0)
        assert lab.has_address("new")
        assert "Reclaiming" in lab.reasons("new")
        # The endpoint stays without addresses: its host may come back and take the interface down.
        assert lab.endpoints("old")[0]["metadata"].get("finalizers") in (None, [])

    play(story)


def test_rec_unreachable_is_freed_at_once_when_the_deletion_is_over_long_ago() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        await lab.run(120.0)
        lab.unreachable("a")
        await lab.run(60.0)
        lab.pod("new", "b", STATIC)
        lab.delete_pod("old", grace_seconds=30.0)
        await lab.run(29.0)
        assert not lab.has_address("new")
        await lab.run(10.0)
        assert lab.has_address("new")

    play(story)


def test_rec_no_deletion_timestamp() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.unreachable("a")
        await kept(lab)

    play(story)


def test_rec_unreachable_under_strict() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.unreachable("a")
        lab.delete_pod("old", grace_seconds=0.0)
        await kept(lab)

    play(story, policy="strict")


def test_rec_lease_fresh_vetoes() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        # Its kubelet lives, and somebody writes all the same that it is unreachable.
        lab.unreachable("a")
        lab.hosts.by_name["a"].end()
        lab.delete_pod("old", grace_seconds=0.0)
        await kept(lab, 600.0)

    play(story)


def test_rec_gone_but_the_lease_is_renewed() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.server.remove(lab.nodes_kind, "a")
        lab.hosts.by_name["a"].end()
        await kept(lab, 600.0)
        assert "LeaseRenewed" in lab.reasons()

    play(story)


def test_rec_gone_waits_for_a_lease_that_is_left_behind() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        await lab.run(5.0)
        lab.die("a")
        lab.server.remove(lab.nodes_kind, "a")
        last_beat = lab.renewed("a")
        await lab.run(last_beat + 59.0 - lab.now())
        assert lab.bits("net") == {5}
        await lab.run(3.0)
        assert lab.bits("net") == set()

    play(story)


def test_rec_flap() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.pod("new", "b", STATIC)
        lab.delete_pod("old", grace_seconds=0.0)
        lab.hosts.by_name["a"].cut_network()
        lab.unreachable("a")
        await lab.run(50.0)
        lab.ready("a", "True")
        lab.renew("a")
        await lab.run(1.0)
        lab.unreachable("a")
        await lab.run(58.0)
        assert lab.bits("net") == {5}
        lab.die("a")
        await lab.run(10.0)
        assert lab.has_address("new")

    play(story)


def test_rec_mass_failure() -> None:
    async def story(lab: Lab) -> None:
        for name in "defg":
            lab.node(name)
        await with_old(lab)
        lab.pod("new", "b", STATIC)
        for name in "acde":
            lab.die(name)
            lab.unreachable(name)
        lab.delete_pod("old", grace_seconds=0.0)
        await lab.run(300.0)
        assert lab.bits("net") == {5}
        assert "Suspended" in lab.reasons()
        assert lab.metric("moorage_danm_suspended") == 1.0
        # Three of seven are below the limit.
        lab.ready("e", "True")
        await lab.run(20.0)
        assert lab.has_address("new")
        assert lab.metric("moorage_danm_suspended") == 0.0

    play(story)


def test_rec_mass_failure_does_not_hold_what_is_fenced() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("c")
        lab.unreachable("c")
        lab.node("d")
        lab.die("d")
        lab.unreachable("d")
        lab.fence("a")
        await replaced(lab)

    play(story)


def test_rec_statefulset_twin() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.remove_node("a")
        lab.force_delete("old")
        twin = lab.pod("old", "b", {"network": "net", "ip": "10.0.0.5"})
        await lab.run(60.0)
        (endpoint,) = lab.endpoints("old")
        assert endpoint["spec"]["PodUID"] == twin
        assert lab.has_address("old")
        await lab.run(1200.0)
        assert lab.bits("net") == {5}
        assert lab.has_address("old")

    play(story)


def test_rec_statefulset_twin_with_another_address_lives_on() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.unreachable("a")
        lab.force_delete("old")
        twin = lab.pod("old", "b", {"network": "net", "ip": "10.0.0.6"})
        await lab.started("old")
        lab.fence("a")
        await lab.run(60.0)
        (endpoint,) = lab.endpoints("old")
        assert endpoint["spec"]["PodUID"] == twin
        assert lab.bits("net") == {6}

    play(story)


def test_rec_empty_uid_live() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.edit_endpoint("old", PodUID="")
        await lab.run(1200.0)
        (endpoint,) = lab.endpoints("old")
        assert endpoint["spec"]["Interface"]["Address"] == "10.0.0.5/24"
        assert lab.bits("net") == {5}

    play(story)


def test_rec_empty_uid_of_another_pod_of_the_name_is_not_touched() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.edit_endpoint("old", PodUID="")
        lab.hosts.by_name["a"].end()
        lab.force_delete("old")
        # It may be the one of the endpoint, or not: it is younger.
        await lab.run(5.0)
        lab.pod("old", "a", {"network": "net", "ip": "10.0.0.9"})
        lab.fence("a")
        await lab.run(1200.0)
        assert lab.bits("net") == {5}

    play(story)


def test_rec_empty_uid_is_freed_once_no_pod_has_the_name() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.edit_endpoint("old", PodUID="")
        lab.fence("a")
        lab.force_delete("old")
        await lab.run(10.0)
        assert lab.bits("net") == set()

    play(story)


def test_rec_single_stack() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.fence("a")
        lab.force_delete("old")
        await lab.run(10.0)
        assert lab.endpoints() == []
        assert lab.network_writes() == 1
        changes = len(lab.world.changes)
        await lab.run(600.0)
        assert len(lab.world.changes) == changes

    play(story)


def test_rec_orphan_of_a_ready_node() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        # The kubelet has forgotten it: its container is gone, and no DEL ever comes.
        lab.hosts.by_name["a"].end()
        lab.hosts.by_name["a"].running.clear()
        lab.force_delete("old")
        await lab.run(119.0)
        assert lab.bits("net") == {5}
        await lab.run(15.0)
        assert lab.bits("net") == set()
        assert lab.endpoints() == []

    play(story)


def test_rec_pod_has_ended() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.hosts.by_name["a"].end()
        lab.hosts.by_name["a"].running.clear()
        lab.edit_pod("old", status={"phase": "Failed", "reason": "NodeLost"})
        await lab.run(1200.0)
        assert lab.bits("net") == {5}
        ended = [{"name": "main", "state": {"terminated": {"exitCode": 1}}}]
        lab.edit_pod("old", status={"phase": "Failed", "containerStatuses": ended})
        await lab.run(140.0)
        assert lab.bits("net") == set()

    play(story)


def test_rec_pod_runs_on_another_node() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.edit_endpoint("old", Host="c")
        lab.fence("c")
        await lab.run(600.0)
        assert lab.bits("net") == {5}
        assert "PodElsewhere" in lab.reasons()

    play(story)


def test_rec_batch() -> None:
    async def story(lab: Lab) -> None:
        for number in range(4):
            lab.net(f"n{number}", f"10.{number}.0.0/24")
        for number in range(200):
            wanted = {"network": f"n{number % 4}", "ip": f"10.{number % 4}.0.{2 + number // 4}"}
            lab.pod(f"p{number}", "a", wanted)
        await lab.started(*(f"p{number}" for number in range(200)))
        lab.fence("a")
        await lab.run(10.0)
        assert lab.endpoints() == []
        assert [lab.bits(f"n{number}") for number in range(4)] == [set()] * 4
        assert lab.network_writes() <= 4

    play(story)


def test_rec_claimed_elsewhere() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.pod("other", "b", {"network": "net", "ip": "10.0.0.6"})
        await lab.started("other")
        # Outside of DANM's own way it names the same address.
        interface = lab.endpoints("other")[0]["spec"]["Interface"]
        lab.edit_endpoint("other", Interface=interface | {"Address": "10.0.0.5/24"})
        lab.fence("a")
        await lab.run(300.0)
        assert lab.endpoints("old") == []
        assert 5 in lab.bits("net")

    play(story)


def test_rec_reserved_bits() -> None:
    async def story(lab: Lab) -> None:
        lab.net("routed", "10.9.0.0/24", routes={"0.0.0.0/0": "10.9.0.1"})
        lab.set_bits("routed", {0, 1, 255})
        lab.pod("old", "a", {"network": "routed", "ip": "10.9.0.5"})
        await lab.started("old")
        before = lab.find_net("DanmNet", NS, "routed")
        for number, address in enumerate(("10.9.0.0/24", "10.9.0.1/24", "10.9.0.255/24")):
            lab.copy_endpoint("old", f"odd-{number}", address)
        lab.fence("a")
        await lab.run(120.0)
        assert lab.endpoints() == []
        after = lab.find_net("DanmNet", NS, "routed")
        assert before is not None
        assert after is not None
        assert lab.bits("routed") == {1}
        raw = after["spec"]["Options"]["alloc"]
        assert raw.startswith("wA")
        assert raw.endswith("E=")

    play(story)


def test_rec_network_missing() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.server.remove(lab.net_kind("DanmNet"), "net", NS)
        lab.fence("a")
        lab.force_delete("old")
        await lab.run(30.0)
        assert lab.endpoints() == []

    play(story)


def test_rec_network_kind_lost_is_not_taken_for_gone() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.server.unserved.add(f"danmnets.{lab.group}")
        lab.server.forget_history()
        lab.server.cut_watches()
        await lab.run(5.0)
        lab.fence("a")
        await lab.run(30.0)
        (endpoint,) = lab.endpoints("old")
        assert endpoint["metadata"]["finalizers"]

    play(story)


def test_rec_stolen_alert() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        for number in (1, 2, 3, 4):
            lab.pod(f"fill-{number}", "c", {"network": "net", "ip": "dynamic"})
        await lab.started("fill-1", "fill-2", "fill-3", "fill-4")
        assert lab.bits("net") == {1, 2, 3, 4, 5}
        lab.fence("a")
        await lab.run(10.0)
        lab.pod("thief", "c", {"network": "net", "ip": "dynamic"})
        await lab.started("thief")
        lab.pod("new", "b", STATIC)
        await lab.run(20.0)
        assert lab.has_address("thief")
        assert lab.metric("moorage_danm_addresses_stolen_total") == 1.0
        (said,) = lab.messages("Stolen")
        assert "apps/thief" in said
        assert lab.bits("net") == {1, 2, 3, 4, 5}

    play(story)


def cleaner(lab: Lab) -> None:
    lab.pod("danm-cleaner-x1", "b", {"network": "net", "ip": ""}, namespace="kube-system")


def test_rec_cleaner_present_refuses_eager() -> None:
    async def story(lab: Lab) -> None:
        cleaner(lab)
        await with_old(lab)
        lab.fence("a")
        await lab.run(300.0)
        assert lab.bits("net") == {5}
        assert lab.metric("moorage_danm_cleaner_present") == 1.0
        # What somebody asks for is freed all the same.
        lab.pod("new", "b", STATIC)
        await lab.run(15.0)
        assert lab.has_address("new")

    play(story, trigger="eager")


def test_rec_cleaner_that_goes_no_longer_holds_back() -> None:
    async def story(lab: Lab) -> None:
        cleaner(lab)
        await with_old(lab)
        lab.fence("a")
        await lab.run(60.0)
        assert lab.bits("net") == {5}
        lab.force_delete("danm-cleaner-x1", "kube-system")
        await lab.run(5.0)
        assert lab.bits("net") == set()

    play(story)


def test_rec_beside_a_cleaner_on_demand_of_the_settings() -> None:
    async def story(lab: Lab) -> None:
        cleaner(lab)
        await with_old(lab)
        lab.fence("a")
        await lab.run(5.0)
        assert lab.bits("net") == set()

    play(story, beside_cleaner=True)


def test_rec_demand_only() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.fence("a")
        await lab.run(600.0)
        assert lab.bits("net") == {5}
        await replaced(lab, 15.0)

    play(story, trigger="demand")


def test_rec_demand_of_the_admission_service() -> None:
    """It asks by an annotation of the endpoint, before there is any pod."""

    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.fence("a")
        await lab.run(60.0)
        lab.annotate_endpoint("old", "moorage.dev/danm-wanted", seconds_ago=601.0)
        await lab.run(60.0)
        assert lab.bits("net") == {5}
        lab.annotate_endpoint("old", "moorage.dev/danm-wanted")
        await lab.run(5.0)
        assert lab.bits("net") == set()
        assert lab.endpoints("old") == []

    play(story, trigger="demand")


def test_sec_tenant_a_pod_of_another_namespace_has_no_address_freed_by_asking_for_it() -> None:
    """The network is the whole cluster's, and the node may only be cut off."""
    wide = {"clusterNetwork": "wide", "ip": "10.1.0.5"}

    async def story(lab: Lab) -> None:
        lab.net("wide", "10.1.0.0/28", kind="ClusterNetwork")
        lab.pod("old", "a", wide)
        await lab.started("old")
        lab.die("a")
        lab.unreachable("a")
        lab.delete_pod("old", grace_seconds=0.0)
        lab.pod("thief", "b", wide, namespace="evil")
        await lab.run(900.0)
        (endpoint,) = lab.endpoints("old")
        assert endpoint["spec"]["Interface"]["Address"] == "10.1.0.5/28"
        lab.pod("new", "b", wide)
        await lab.run(90.0)
        assert [one for one in lab.endpoints("old") if one["spec"]["Interface"]["Address"]] == []

    play(story)


def test_rec_eager_also_where_nothing_is_proved() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.unreachable("a")
        lab.delete_pod("old", grace_seconds=0.0)
        await lab.run(80.0)
        assert lab.bits("net") == set()

    play(story, trigger="eager")


def test_rec_unfenced_are_limited() -> None:
    async def story(lab: Lab) -> None:
        for number in range(4):
            lab.pod(f"p{number}", "a", {"network": "net", "ip": f"10.0.0.{20 + number}"})
        await lab.started("p0", "p1", "p2", "p3")
        lab.die("a")
        lab.unreachable("a")
        for number in range(4):
            lab.delete_pod(f"p{number}", grace_seconds=0.0)
        await lab.run(75.0)
        assert len(lab.bits("net")) == 2
        await lab.run(60.0)
        assert lab.bits("net") == set()

    play(story, trigger="eager", unfenced_per_minute=2)
