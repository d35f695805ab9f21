"""Admission service and controller together, on one API server, with DANM's own CNI beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cluster_danm import UNREACHABLE, Cluster
from danm_admission_lab import AdmissionLab, settings_of
from danm_admission_objects import interface, pod, review

from moorage_danm.controller import setup as controller
from moorage_danm.settings import DanmSettings
from moorage_danm.webhook.controller import setup as webhook
from moorage_kube.client.client import Client
from moorage_testing import virtual_time
from moorage_testing.harness import Scenario, World, managed

NEW = review(pod(interface("10.0.0.5")), namespace="apps")


class WholeLab(AdmissionLab):
    """Both processes, and nodes whose pods DANM starts."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        both = (
            managed(DanmSettings.model_validate({}), controller),
            managed(settings_of(**settings), webhook),
        )

        async def start(client: Client, world: World) -> None:
            # The one that is asked is the last one that the world knows of.
            await asyncio.gather(*(one(client, world) for one in both))

        scenario = Scenario(start, lambda _: None)
        self.world = World(scenario)
        self.cluster = Cluster(self.world.server)


def together(story: Callable[[WholeLab], Awaitable[None]], **settings: Any) -> None:
    async def whole() -> None:
        lab = WholeLab(**settings)
        lab.cluster.start()
        try:
            await asyncio.sleep(0)
            for name in ("a", "b", "c", "d"):
                lab.cluster.node(name)
            pool = {"start": "10.0.0.128", "end": "10.0.0.254"}
            lab.cluster.net("net", allocation_pool=pool)
            lab.world.begin()
            lab.cluster.pod("old", "a", interface("10.0.0.5"))
            await asyncio.sleep(5.0)
            assert lab.cluster.has_address("old")
            await story(lab)
            lab.cluster.check()
            assert not lab.world.deaths, lab.world.deaths
        finally:
            await lab.world.kill()
            lab.cluster.end()

    virtual_time.run(whole())


async def unreachable(lab: WholeLab) -> None:
    """The node is silent for long enough, and the deletion of its pod is over."""
    lab.cluster.die("a")
    lab.cluster.ready("a", "Unknown", UNREACHABLE)
    lab.cluster.delete_pod("old", grace_seconds=30.0)
    await asyncio.sleep(120.0)


def test_adm_concurrent_same_ip_is_one_reclaim_and_one_write_of_the_network() -> None:
    async def story(lab: WholeLab) -> None:
        await unreachable(lab)
        assert lab.cluster.bits("net") == {5}, "nobody asks for it yet"
        answers = await asyncio.gather(*(lab.ask(NEW) for _ in range(200)))
        assert all(one == {"uid": one["uid"], "allowed": True} for one in answers)
        await asyncio.sleep(5.0)
        assert lab.cluster.bits("net") == set()
        assert lab.cluster.network_writes() == 1
        demands = [one for one in lab.server.asked if "danm-wanted" in str(one.body)]
        assert len(demands) == 1
        lab.cluster.pod("new", "b", interface("10.0.0.5"))
        await asyncio.sleep(20.0)
        assert lab.cluster.has_address("new")

    together(story, mode="sync", sync_seconds=3.0)


def test_the_demand_of_a_pod_that_never_came_ends_by_itself() -> None:
    """It was refused behind us, by a quota for instance: the holder may come back meanwhile."""

    async def story(lab: WholeLab) -> None:
        lab.cluster.ready("a", "False")
        await asyncio.sleep(1.0)
        await lab.ask(NEW)
        assert lab.demanded()
        await asyncio.sleep(700.0)
        await unreachable(lab)
        await asyncio.sleep(600.0)
        assert lab.cluster.bits("net") == {5}, "nobody asks for it now"

    together(story, mode="sync")


def test_in_mode_advise_the_pod_itself_is_the_demand() -> None:
    async def story(lab: WholeLab) -> None:
        await unreachable(lab)
        (warning,) = await lab.warnings(NEW)
        assert warning.endswith("which is unreachable; freed once safe")
        assert lab.demanded() == {}
        lab.cluster.pod("new", "b", interface("10.0.0.5"))
        await asyncio.sleep(60.0)
        assert lab.cluster.has_address("new")

    together(story)


def test_adm_two_replacements_are_both_allowed_and_one_gets_it() -> None:
    async def story(lab: WholeLab) -> None:
        await unreachable(lab)
        for name in ("one", "two"):
            assert await lab.warnings(NEW)
            lab.cluster.pod(name, "b" if name == "one" else "c", interface("10.0.0.5"))
        await asyncio.sleep(120.0)
        have = [name for name in ("one", "two") if lab.cluster.has_address(name)]
        assert len(have) == 1
        assert lab.cluster.network_writes() == 1, "nothing is freed a second time"

    together(story)
