"""Fencing: which marks of a node prove that nothing runs there, and which may be old."""

from __future__ import annotations

import pytest
from cluster_danm import OUT_OF_SERVICE, UNREACHABLE
from lab_danm import Lab, play

from moorage_danm.model.node import Ready
from moorage_danm.reclaim.node_class import NodeClass, NodeFacts, NodeTimes, classify

STATIC = {"network": "net", "ip": "10.0.0.5"}


async def with_old(lab: Lab) -> None:
    lab.pod("old", "a", STATIC)
    await lab.started("old")


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (NodeFacts("", there=False), NodeClass.UNKNOWN),
        (NodeFacts("n", ready=Ready.TRUE, fences=("taint",)), NodeClass.READY),
        (NodeFacts("n", ready=Ready.FALSE, fences=("taint",)), NodeClass.FENCED),
        (NodeFacts("n", ready=Ready.UNKNOWN, stale=("taint",)), NodeClass.NOT_READY),
        (
            NodeFacts("n", ready=Ready.FALSE, unreachable=True, lease_seconds=99),
            NodeClass.NOT_READY,
        ),
        (NodeFacts("n", ready=Ready.UNKNOWN, lease_seconds=99), NodeClass.NOT_READY),
        (
            NodeFacts("n", ready=Ready.UNKNOWN, unreachable=True, lease_seconds=59.9),
            NodeClass.NOT_READY,
        ),
        (
            NodeFacts("n", ready=Ready.UNKNOWN, unreachable=True, lease_seconds=60),
            NodeClass.UNREACHABLE,
        ),
        (NodeFacts("n", there=False, absent_seconds=29, has_lease=False), NodeClass.UNKNOWN),
        (NodeFacts("n", there=False, absent_seconds=30, has_lease=False), NodeClass.GONE),
        (NodeFacts("n", there=False, absent_seconds=99, lease_seconds=59), NodeClass.UNKNOWN),
        (NodeFacts("n", there=False, absent_seconds=99, lease_seconds=60), NodeClass.GONE),
    ],
)
def test_node_class(facts: NodeFacts, wanted: NodeClass) -> None:
    assert classify(facts, NodeTimes()).node_class is wanted


def test_only_a_lease_that_is_renewed_after_the_node_went_is_a_veto() -> None:
    left_behind = NodeFacts("n", there=False, absent_seconds=10, lease_seconds=15)
    assert not classify(left_behind, NodeTimes()).vetoed
    renewed = NodeFacts("n", there=False, absent_seconds=10, lease_seconds=5)
    assert classify(renewed, NodeTimes()).vetoed


def test_a_mark_that_was_there_while_the_node_was_ready_proves_nothing_later() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.taints("a", OUT_OF_SERVICE)
        await lab.run(5.0)
        # Months later its network is cut, and nobody has taken the taint off.
        lab.hosts.by_name["a"].cut_network()
        lab.ready("a", "Unknown", OUT_OF_SERVICE)
        lab.ready("a", "Unknown", OUT_OF_SERVICE, UNREACHABLE)
        await lab.run(300.0)
        assert lab.bits("net") == {5}
        assert lab.reasons("a") == ["FenceMarkStale"]
        assert lab.metric("moorage_danm_stale_fence_marks") == 1.0
        # Removed and set again it is somebody's word for this outage.
        lab.die("a")
        lab.fenced.add("a")
        lab.taints("a", UNREACHABLE)
        await lab.run(2.0)
        lab.taints("a", UNREACHABLE, OUT_OF_SERVICE)
        await lab.run(5.0)
        assert lab.bits("net") == set()
        assert lab.metric("moorage_danm_stale_fence_marks") == 0.0

    play(story)


def test_after_a_restart_a_mark_that_may_be_old_proves_nothing() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        await lab.world.kill()
        lab.fence("a")
        lab.world.begin()
        await lab.run(300.0)
        assert lab.bits("net") == {5}
        assert "FenceMarkStale" in lab.reasons("a")

    play(story)


def test_after_a_restart_a_mark_that_says_when_it_was_set_proves_something() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        await lab.world.kill()
        lab.fence("a", timed=True)
        lab.world.begin()
        await lab.run(10.0)
        assert lab.bits("net") == set()

    play(story)


def test_a_mark_older_than_the_last_life_proves_nothing_even_with_its_time() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        await lab.world.kill()
        lab.fence("a", timed=True)
        raw = lab.node_object("a")
        # It came back after that, and went again.
        later = [
            one | {"lastTransitionTime": "2027-06-01T00:00:00Z"}
            for one in raw["status"]["conditions"]
        ]
        lab.put_node(raw | {"status": {"conditions": later}})
        lab.world.begin()
        await lab.run(300.0)
        assert lab.bits("net") == {5}

    play(story)


def test_a_mark_that_nobody_saw_come_counts_only_where_the_node_stayed_silent() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.hosts.by_name["a"].cut_network()
        lab.unreachable("a")
        await lab.run(2.0)
        # Nothing is seen for a while; it was ready in between, with the taint already on it.
        await lab.blind()
        lab.ready("a", "True", OUT_OF_SERVICE)
        lab.ready("a", "Unknown", OUT_OF_SERVICE, UNREACHABLE, since="2027-06-01T00:00:00Z")
        lab.see()
        await lab.run(300.0)
        assert lab.bits("net") == {5}
        assert "FenceMarkStale" in lab.reasons("a")

    play(story)


@pytest.mark.parametrize("how", ["annotation", "condition"])
def test_fences_of_others(how: str) -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.unreachable("a")
        await lab.run(2.0)
        raw = lab.node_object("a")
        if how == "annotation":
            marks = {"remediation.example.com/fenced": "yes"}
            raw = raw | {"metadata": raw["metadata"] | {"annotations": marks}}
        else:
            conditions = [*raw["status"]["conditions"], {"type": "PoweredOff", "status": "True"}]
            raw = raw | {"status": {"conditions": conditions}}
        lab.put_node(raw)
        await lab.run(5.0)
        assert lab.bits("net") == set()

    play(
        story,
        fence_annotations="remediation.example.com/fenced=yes",
        fence_conditions="PoweredOff",
    )


def test_a_mark_nobody_was_told_of_is_none() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.die("a")
        lab.unreachable("a")
        await lab.run(2.0)
        raw = lab.node_object("a")
        marks = {"remediation.example.com/fenced": "no"}
        lab.put_node(raw | {"metadata": raw["metadata"] | {"annotations": marks}})
        await lab.run(300.0)
        assert lab.bits("net") == {5}

    play(story, fence_annotations="remediation.example.com/fenced=yes")


def test_a_new_node_of_the_name_starts_afresh() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.hosts.by_name["a"].cut_network()
        raw = lab.node_object("a")
        lab.remove_node("a")
        await lab.run(20.0)
        # Registered again with another uid: it is younger than the pod, which proves nothing.
        lab.put_node(raw | {"metadata": {"name": "a", "uid": "uid-a-2"}})
        lab.ready("a", "Unknown", UNREACHABLE)
        lab.renew("a")
        await lab.run(50.0)
        assert lab.bits("net") == {5}
        assert lab.endpoints("old")[0]["spec"]["Interface"]["Address"] == "10.0.0.5/24"
        lab.put_node(raw | {"metadata": {"name": "a", "uid": "uid-a-3"}})
        await lab.run(900.0)
        assert lab.bits("net") == {5}

    play(story)


def test_marks_of_a_node_before_are_no_marks_of_its_successor() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.hosts.by_name["a"].cut_network()
        lab.unreachable("a")
        await lab.run(2.0)
        raw = lab.node_object("a")
        taints = {"taints": [{"key": OUT_OF_SERVICE, "effect": "NoExecute"}]}
        # In one step the node is another one, and has the taint: nobody saw it come.
        lab.put_node(raw | {"metadata": {"name": "a", "uid": "uid-a-2"}, "spec": taints})
        await lab.run(300.0)
        assert lab.bits("net") == {5}

    play(story)
