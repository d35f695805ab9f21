"""Machines that come back from a backup: with new uids, without status, finalizers and owners."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from lab_machines import (
    DUAL_CONFIG,
    HOOK,
    NS,
    README_CONFIG,
    MachineLab,
    create_machine,
    play_machines,
    spec_of,
)

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_machine_ipam.kinds import MACHINES

Story: TypeAlias = Callable[[MachineLab], Awaitable[None]]
Play: TypeAlias = Callable[..., None]

FIRST = "192.168.101.64"
SIXTH = "2001:db8:1::2"
RESTORED = {"velero.io/restore-name": "nightly"}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(story: Story, text: str = README_CONFIG, **settings: Any) -> None:
        play_machines(tmp_path / "ipam-config.yaml", story, text, **settings)

    return run


def waiting(lab: MachineLab) -> dict[str, Any]:
    """The spec of a Machine that the hook of the file holds."""
    name = "preProvision" if "ipv4" in lab.path.read_text(encoding="utf-8") else "preCreate"
    return spec_of(hooks={name: [HOOK]})


async def backed_up(lab: MachineLab) -> dict[str, list[dict[str, Any]]]:
    """What a backup of a Machine and its records has; afterwards all of it is gone."""
    lab.machine("a", spec=waiting(lab))
    await lab.settle()
    assert lab.written("a")
    await lab.stop()
    found = {"machine": [lab.get("a")], "record": lab.records()}
    kept = copy.deepcopy(found)
    for raws in kept.values():
        for raw in raws:
            raw["metadata"] = {"name": raw["metadata"]["name"]}
            raw.pop("status", None)
    lab.server.remove(MACHINES, "a", NS)
    for raw in lab.records():
        lab.server.remove(IPALLOCATIONS, raw["metadata"]["name"])
    lab.start()
    return kept


def restore(lab: MachineLab, what: str, raws: list[dict[str, Any]], labels: dict[str, str]) -> None:
    for raw in raws:
        body = copy.deepcopy(raw)
        if what == "machine":
            create_machine(lab.server, "a", body["spec"], labels=labels)
        else:
            body["metadata"]["labels"] = labels
            lab.server.create(IPALLOCATIONS, body)


@pytest.mark.parametrize("labels", [RESTORED, {}], ids=["label", "no label"])
@pytest.mark.parametrize("seconds", [0.0, 500.0])
@pytest.mark.parametrize("text", [README_CONFIG, DUAL_CONFIG], ids=["one", "two"])
@pytest.mark.parametrize("order", list(itertools.permutations(("machine", "record"))), ids="-".join)
def test_a_machine_restored_in_any_order_keeps_its_addresses(
    play: Play, order: tuple[str, ...], text: str, seconds: float, labels: dict[str, str]
) -> None:
    async def story(lab: MachineLab) -> None:
        kept = await backed_up(lab)
        for what in order:
            restore(lab, what, kept[what], labels)
            await lab.world.pass_time(seconds)
        lab.machine("other", spec=waiting(lab))
        await lab.settle()
        await lab.world.pass_time(3700.0)
        uid = lab.get("a")["metadata"]["uid"]
        mine = {
            one["spec"]["address"]: one["spec"]["slot"]
            for one in lab.records("Bound")
            if one["spec"]["owner"]["uid"] == uid
        }
        expected = {FIRST: "device-0-ipv4", SIXTH: "device-0-ipv6"}
        assert mine == {one: expected[one] for one in lab.written("a")}
        assert not set(mine) & set(lab.written("other"))
        lab.delete("a")
        await lab.settle()
        lab.finish("a")
        await lab.world.pass_time(400.0)
        assert not lab.held() & set(mine), "it is released once it is gone"

    play(story, text)
