"""Machines: what reading with bad intentions, and users of other tools, have found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from lab_claims import GATEWAY
from lab_machines import NS, README_CONFIG, MachineLab, play_machines

from moorage_machine_ipam.kinds import MACHINES

Story: TypeAlias = Callable[[MachineLab], Awaitable[None]]
Play: TypeAlias = Callable[..., None]

FIRST = "192.168.101.64"
TINY = README_CONFIG.replace("192.168.101.64/28", "192.168.101.64/31")


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(story: Story, text: str = README_CONFIG, **settings: Any) -> None:
        play_machines(tmp_path / "ipam-config.yaml", story, text, **settings)

    return run


def test_a_machine_of_cluster_api_is_no_namesake(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        owner = {
            "apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Machine", "namespace": NS,
            "name": "a", "uid": "of-cluster-api",
        }  # fmt: skip
        lab.put_record(FIRST, "c0a86540", owner=owner)
        lab.machine("a")
        await lab.settle()
        assert lab.written("a") == ["192.168.101.65"]
        assert lab.held("Bound") == {FIRST, "192.168.101.65"}

    play(story)


def test_each_of_two_machines_of_one_name_is_told_what_it_lacks(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.reserve(FIRST, "c0a86540")
        lab.reserve("192.168.101.65", "c0a86541")
        for _ in range(2):
            lab.machine("a")
            await lab.settle()
            assert lab.events("Machine", "a")[-1] == ("Warning", "PoolExhausted")
            lab.server.remove(MACHINES, "a", NS)
            # Before anybody has looked, the next one is there.
        assert len(lab.events("Machine", "a")) == 2

    play(story, TINY)


def test_machines_and_claims_of_one_range_count_each_others_addresses(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.pool(address_cidr="192.168.101.64/28", prefix=23, gateway=GATEWAY)
        lab.machine("a", "b")
        await lab.settle()
        lab.claim("c")
        await lab.settle()
        lab.delete("b")
        await lab.settle()
        lab.finish("b")
        await lab.settle()
        await lab.world.pass_time(30.0)
        found = lab.pool_status()
        numbers = [found[key] for key in ("total", "used", "free", "quarantined")]
        assert numbers == ["16", 3, "13", 1]

    play(story)


def test_a_machine_that_is_made_and_deleted_in_a_loop_keeps_nobody_from_an_address(
    play: Play,
) -> None:
    async def story(lab: MachineLab) -> None:
        for number in range(60):
            if number == 6:
                lab.machine("patient")
            lab.machine(f"loop-{number}")
            await lab.world.pass_time(6.0)
            lab.delete(f"loop-{number}")
            await lab.world.pass_time(2.0)
            lab.finish(f"loop-{number}")
        assert lab.written("patient")

    play(story, TINY)
