"""Hooks of before, a bad file, and the end of it all: no Machine is held for ever."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from lab_machines import FOREIGN, HOOK, NS, README_CONFIG, MachineLab, play_machines, spec_of

from moorage_machine_ipam.kinds import MACHINES

Story: TypeAlias = Callable[[MachineLab], Awaitable[None]]
Play: TypeAlias = Callable[..., None]

FIRST = "192.168.101.64"
LAB = {"networkName": "lab"}
OLD = {"name": "oldHook", "owner": "somebody"}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(story: Story, text: str = README_CONFIG, **settings: Any) -> None:
        play_machines(tmp_path / "ipam-config.yaml", story, text, **settings)

    return run


def note(hook: dict[str, str]) -> dict[str, str]:
    return {"moorage.dev/lifecycle-hook": json.dumps(hook)}


RENAMED = README_CONFIG.replace("network-admin", "somebody-else")
NEW_HOOK = {"name": "ipamController", "owner": "somebody-else"}


@pytest.mark.parametrize("restart", [False, True], ids=["at work", "after a restart"])
@pytest.mark.parametrize("text", [RENAMED, "", None], ids=["renamed", "bad", "missing"])
def test_a_hook_of_before_holds_no_machine_for_ever(
    play: Play, text: str | None, *, restart: bool
) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        assert lab.hooks("a") == {"preTerminate": [HOOK]}
        if text is None:
            lab.path.unlink()
        else:
            lab.edit(text)
        if restart:
            await lab.world.restart()
        await lab.settle()
        assert lab.hooks("a") == {"preTerminate": [HOOK]}
        lab.delete("a")
        await lab.settle()
        assert lab.hooks("a") == {}
        assert lab.held("Bound") == {FIRST}, "its VM is still up"
        lab.finish("a")
        await lab.settle()
        assert lab.held("Quarantined") == {FIRST}

    play(story)


def test_with_watch_machines_alone_hooks_of_before_are_taken_off(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", spec=spec_of(hooks={"preTerminate": [HOOK]}), annotations=note(HOOK))
        lab.machine("b", spec=spec_of(hooks={"preTerminate": [FOREIGN]}), annotations=note(HOOK))
        for name in "ab":
            lab.delete(name)
        await lab.settle()
        assert (lab.hooks("a"), lab.hooks("b")) == ({}, {"preTerminate": [FOREIGN]})

    play(story, hook_config="", watch_machines=True)


def test_a_machine_that_waits_by_a_hook_of_before_says_so(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        await lab.world.pass_time(1.0)
        lab.edit(RENAMED)
        await lab.world.pass_time(10.0)
        lab.machine("old")
        lab.machine("new", spec=spec_of(hooks={"preCreate": [NEW_HOOK]}))
        await lab.settle()
        assert lab.events("Machine", "old") == [("Warning", "HookUnserved")]
        assert "replace the Machine" in lab.message("old")
        assert lab.hooks("old") == {"preCreate": [HOOK]}
        assert lab.hooks("new") == {"preTerminate": [NEW_HOOK]}
        lab.patch_machine("old", {"spec": {"lifecycleHooks": {"preCreate": [NEW_HOOK]}}})
        await lab.settle()
        assert lab.hooks("old") == {"preTerminate": [NEW_HOOK]}
        assert lab.events("Machine", "old")[-1] == ("Normal", "AddressesWritten")

    play(story)


def test_with_a_file_that_is_bad_at_the_restart_claims_go_on(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        lab.edit("ipam-config: bad")
        await lab.world.restart()
        lab.pool(namespace=NS)
        lab.claim("c", namespace=NS)
        lab.machine("b")
        await lab.settle()
        assert lab.address("c", NS) == "192.168.100.2"
        assert (lab.written("a"), lab.written("b")) == ([FIRST], [])
        assert lab.held("Bound") == {FIRST, "192.168.100.2"}
        lab.edit(README_CONFIG)
        await lab.settle()
        assert lab.written("b") == ["192.168.101.65"]

    play(story)


def test_release_all_takes_our_hooks_off_every_machine(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("served")
        lab.machine("of-before", spec=spec_of(hooks={"preTerminate": [OLD]}), annotations=note(OLD))
        lab.machine("foreign", spec=spec_of(hooks={"preCreate": [FOREIGN], "preTerminate": [OLD]}))
        lab.machine("moved", spec=spec_of(hooks={"preTerminate": [HOOK]}))
        lab.status("moved", authoritativeAPI="ClusterAPI")
        await lab.settle()
        await lab.stop()
        lab.machine("waits", spec=spec_of(hooks={"preCreate": [FOREIGN, HOOK]}))
        records = lab.records()
        await lab.release_all()
        assert {name: lab.hooks(name) for name in ("served", "of-before", "foreign", "waits")} == {
            "served": {},
            "of-before": {},
            "foreign": {"preCreate": [FOREIGN], "preTerminate": [OLD]},
            "waits": {"preCreate": [FOREIGN]},
        }
        assert lab.hooks("moved") == {"preTerminate": [HOOK]}, "Cluster API would put it back"
        assert lab.written("served") == [FIRST]
        assert lab.records() == records
        lab.start()

    play(story)


def test_release_all_with_a_bad_file_takes_off_what_machines_remember(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        await lab.stop()
        lab.edit("")
        await lab.release_all()
        assert lab.hooks("a") == {}
        lab.start()

    play(story)


@pytest.mark.parametrize("kind", ["addressesFromPools", "literal"])
def test_a_claim_gets_the_address_that_its_own_machine_shows(play: Play, kind: str) -> None:
    """Somebody ran the Machine with that address before, and now asks for it by a claim."""
    address = "192.168.100.7"
    device = LAB | ({"ipAddrs": [f"{address}/24"]} if kind == "literal" else {})

    async def story(lab: MachineLab) -> None:
        lab.pool(namespace=NS)
        lab.machine("m", "other", spec=spec_of([device], {}))
        if kind != "literal":
            seen = [{"type": "InternalIP", "address": address}]
            lab.status("m", phase="Running", addresses=seen)
        lab.server.remove(MACHINES, "other", NS)
        asked: dict[str, Any] = {"annotations": {"moorage.dev/ip-address": address}}
        lab.claim("strange", namespace=NS, **asked)
        await lab.settle()
        assert lab.reason("strange", NS) == "AllocationFailed"
        assert "Machine openshift-machine-api/m says so" in lab.condition("strange", NS)["message"]
        uid = lab.get("m")["metadata"]["uid"]
        owner = {"apiVersion": MACHINES.api_version, "kind": "Machine", "name": "m", "uid": uid}
        lab.claim("own", namespace=NS, ownerReferences=[owner | {"controller": True}], **asked)
        await lab.settle()
        assert lab.address("own", NS) == address

    play(story)


def test_more_devices_than_a_vm_can_have_are_refused(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", spec=spec_of([LAB] * 11))
        lab.machine("b", spec=spec_of([LAB] * 10))
        await lab.settle()
        assert lab.events("Machine", "a") == [("Warning", "MachineUnusable")]
        assert "has 11 devices, and a VM at most 10" in lab.message("a")
        names = [one["config"]["interfaces"][0]["name"] for one in lab.devices("b")]
        assert names == [
            f"ens{slot}" for slot in (192, 224, 256, 161, 193, 225, 257, 162, 194, 226)
        ]

    play(story)
