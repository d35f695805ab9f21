"""Races: crashes, conflicts, nodes that come back, and hosts that free an address themselves."""

from __future__ import annotations

import asyncio

import pytest
from cluster_danm import NS
from lab_danm import Lab, play

from moorage_danm import kinds
from moorage_kube.client.kinds import NODES
from moorage_testing.apiserver import Fault
from moorage_testing.apiserver.messages import modified
from moorage_testing.danm import Host, hosts
from moorage_testing.waiting import until

STATIC = {"network": "net", "ip": "10.0.0.5"}


async def with_old(lab: Lab) -> None:
    lab.pod("old", "a", STATIC)
    await lab.started("old")


def test_rec_conflict() -> None:
    async def story(lab: Lab) -> None:
        lab.net("busy", "10.7.0.0/24", routes={"0.0.0.0/0": "10.7.0.1"}, strange={"kept": [1]})
        lab.pod("old", "a", {"network": "busy", "ip": "10.7.0.5"})
        await lab.started("old")
        before = lab.find_net("DanmNet", NS, "busy")
        assert before is not None
        lab.server.faults.append(
            Fault("PATCH", 409, modified("danmnets", "busy").body(), times=10, path="danmnets/busy")
        )
        lab.fence("a")
        await lab.run(60.0)
        after = lab.find_net("DanmNet", NS, "busy")
        assert after is not None
        assert lab.bits("busy") == set()
        kept = {key: value for key, value in after["spec"]["Options"].items() if key != "alloc"}
        assert kept == {k: v for k, v in before["spec"]["Options"].items() if k != "alloc"}
        assert lab.metric("moorage_danm_network_conflicts_total") == 10.0

    play(story)


def test_rec_conflict_forever() -> None:
    async def story(lab: Lab) -> None:
        lab.net("other", "10.8.0.0/24")
        await with_old(lab)
        lab.pod("two", "a", {"network": "other", "ip": "10.8.0.5"})
        await lab.started("two")
        body = modified("danmnets", "net").body()
        lab.server.faults.append(Fault("PATCH", 409, body, times=10**6, path="danmnets/net"))
        began = len(lab.server.asked)
        lab.fence("a")
        await lab.run(10.0)
        # The other network does not wait for it.
        assert lab.bits("other") == set()
        await lab.run(20.0)
        asked = [one for one in lab.server.asked[began:] if one.path.endswith("danmnets/net")]
        # From 20 ms on the pause doubles up to a second.
        assert 20 <= len(asked) <= 60
        await lab.run(30.0)
        stale = lab.metric("moorage_danm_networks_reconciles_total", outcome="stale")
        assert stale >= 1.0
        lab.server.faults.clear()
        await lab.run(10.0)
        assert lab.bits("net") == set()
        assert lab.endpoints() == []

    play(story)


def test_rec_rbac_denied() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        body = {"reason": "Forbidden", "message": "no"}
        lab.server.faults.append(Fault("PATCH", 403, body, times=10**6))
        lab.fence("a")
        before = len(lab.server.asked)
        await lab.run(290.0)
        patches = [one for one in lab.server.asked[before:] if "danmeps" in one.path]
        assert sum(one.method == "PATCH" for one in patches) == 1
        assert lab.metric("moorage_danm_endpoints_reconciles_total", outcome="retry") == 1.0
        assert "Forbidden" in lab.reasons()
        lab.server.faults.clear()
        await lab.run(30.0)
        assert lab.bits("net") == set()

    play(story)


def test_rec_node_returns_before_detach() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        # What the caches show is old: the node is back already.
        lab.server.faults.append(Fault("WATCH", 503, times=10**6, path="/nodes"))
        lab.taints("a", "node.kubernetes.io/out-of-service")
        lab.server.cut_watches()
        await lab.run(0.2)
        lab.die("c")
        lab.fenced.add("a")
        lab.server.faults.clear()
        await lab.run(300.0)
        assert lab.bits("net") == {5}
        assert lab.has_address("old")

    play(story)


def test_rec_live_answers_overrule_the_caches() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.hosts.by_name["a"].cut_network()
        lab.unreachable("a")
        await lab.run(5.0)
        assert lab.world.manager is not None
        # The watch of nodes is behind: it shows a fence, and the node is ready again since then.
        await lab.blind()
        seen = lab.server.find(NODES, "a")
        assert seen is not None
        lab.server.version += 1
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
        meta = seen["metadata"] | {"resourceVersion": str(lab.server.version)}
        lab.ready("a", "True")
        store = next(one.store for one in lab.world.manager.informers if one.kind == NODES)
        store.apply(seen | {"metadata": meta, "spec": {"taints": [taint]}})
        lab.renew("a")
        await lab.run(30.0)
        assert lab.bits("net") == {5}
        assert lab.endpoints("old")[0]["spec"]["Interface"]["Address"] == "10.0.0.5/24"

    play(story)


async def reassigned(lab: Lab) -> Host:
    """Another pod has the address; the host of the old one is cut off, and knows nothing of it."""
    await with_old(lab)
    host = lab.hosts.by_name["a"]
    host.cut_network()
    lab.unreachable("a")
    lab.delete_pod("old", grace_seconds=0.0)
    lab.fenced.add("a")
    lab.pod("new", "b", STATIC)
    await lab.run(90.0)
    assert lab.has_address("new")
    return host


def test_rec_node_returns_after_detach() -> None:
    async def story(lab: Lab) -> None:
        host = await reassigned(lab)
        assert lab.bits("net") == {5}
        (endpoint,) = lab.endpoints("old")
        assert endpoint["spec"]["Interface"]["Address"] == ""
        # It is back, hears that the pod is deleted, and takes its interface down.
        lab.world.spare(host.join())
        lab.ready("a", "True")
        await lab.run(30.0)
        assert host.cni.torn_down == [endpoint["metadata"]["name"]]
        assert lab.endpoints("old") == []
        assert lab.bits("net") == {5}
        assert lab.has_address("new")
        assert "LateReturn" in lab.reasons()

    play(story)


def test_rec_del_after_reassign() -> None:
    async def story(lab: Lab) -> None:
        host = await reassigned(lab)
        await host.cni.delete(next(iter(host.running.values())).cid)
        assert lab.bits("net") == {5}
        lab.check()

    play(story)


def test_rec_a_host_that_is_just_removing_the_endpoint_frees_it_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It read the endpoint before the address was taken from it, and clears the bit afterwards."""
    monkeypatch.setattr(hosts, "AGAIN_SECONDS", 0.05)

    async def story(lab: Lab) -> None:
        await with_old(lab)
        host = lab.hosts.by_name["a"]
        host.cut_network()
        lab.unreachable("a")
        lab.delete_pod("old", grace_seconds=0.0)
        lab.fenced.add("a")
        lab.pod("new", "b", STATIC)

        async def slow() -> None:
            await until(lambda: not lab.has_endpoint_address("old"), "the address to be taken")
            await asyncio.sleep(0.5)

        host.cni.teardown = slow
        removing = host.cni.delete(next(iter(host.running.values())).cid)
        task = asyncio.create_task(removing)
        lab.world.spare(task)
        await lab.run(90.0)
        await task
        assert lab.has_address("new")
        assert lab.bits("net") == {5}

    play(story)


@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.parametrize("done", [True, False])
def test_rec_crash_at_each_step(step: int, *, done: bool) -> None:
    """Taken, bits cleared, finalizer off, deleted: it dies at each, and CNIs work on meanwhile."""

    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.pod("other", "c", {"network": "net", "ip": "dynamic"})
        await lab.started("other")
        lab.world.crash_in(step, done=done)
        lab.fence("a", timed=True)
        await lab.run(1.0)
        lab.pod("new", "b", STATIC)
        for number in range(4):
            lab.pod(f"more-{number}", "c", {"network": "net", "ip": "dynamic"})
            await lab.run(3.0)
        lab.force_delete("more-1")
        await lab.run(100.0)
        assert lab.has_address("new")
        assert lab.endpoints("old") == []
        assert lab.leaks() == []
        lab.check()
        assert lab.world.crashed is (step <= 4)

    play(story)


def test_rec_crash_when_the_address_is_given_away_before_the_next_process_looks() -> None:
    async def story(lab: Lab) -> None:
        await with_old(lab)
        # Bits are cleared, and it dies; the replacement has the address before it is back.
        lab.world.crash_in(2, done=True)
        lab.pod("new", "b", STATIC)
        lab.fence("a", timed=True)
        await lab.run(200.0)
        assert lab.world.crashed
        assert lab.has_address("new")
        assert lab.bits("net") == {5}
        assert lab.endpoints("old") == []

    play(story)


def test_rec_a_mark_of_what_was_freed_is_lost() -> None:
    """Somebody replaced the network's annotations: then a bit is cleared only when it is nobody's
    for long enough."""

    async def story(lab: Lab) -> None:
        await with_old(lab)
        lab.world.crash_in(1, done=True)
        lab.fence("a", timed=True)
        await lab.run(50.0)
        assert lab.world.crashed
        assert lab.bits("net") == {5}
        await lab.run(20.0)
        assert lab.bits("net") == set()
        assert lab.endpoints() == []

    play(story)


def test_rec_two_leaders() -> None:
    """The one before still writes: its write is held off, since the network has changed."""

    async def story(lab: Lab) -> None:
        await with_old(lab)
        net = kinds.networks(lab.group, kinds.NetworkKind.DANM_NET)
        fault = Fault("PATCH", 0, delay_seconds=5.0, path="danmnets/net")
        lab.server.faults.append(fault)
        lab.fence("a")
        await lab.run(2.0)
        # Somebody else has cleared the bit meanwhile, and a pod has it.
        lab.set_bits("net", {0, 255})
        lab.pod("new", "b", STATIC)
        await lab.run(30.0)
        assert lab.has_address("new")
        assert lab.bits("net") == {5}
        assert lab.server.find(net, "net", NS) is not None

    play(story)
