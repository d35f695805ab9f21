"""``--release-all``: afterwards nothing waits for us, and no address was given away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from lab_claims import NS as CLAIMS
from lab_claims import Lab
from lab_claims import play as play_claims
from lab_machines import FOREIGN, HOOK, NS, README_CONFIG, MachineLab, play_machines, spec_of

from moorage_machine_ipam.kinds import MACHINES
from moorage_testing.apiserver import Fault

Play: TypeAlias = Callable[[Callable[[MachineLab], Awaitable[None]]], None]
FIRST = "192.168.101.64"


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return lambda story: play_machines(tmp_path / "ipam-config.yaml", story, README_CONFIG)


def test_hooks_are_taken_off_every_machine_and_no_address_is_given_away(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        both = {"preCreate": [HOOK], "preTerminate": [FOREIGN]}
        lab.machine("runs", spec=spec_of(hooks=both))
        lab.machine("leaves")
        lab.machine("theirs", spec=spec_of(hooks={"preTerminate": [FOREIGN]}))
        await lab.settle()
        await lab.stop()
        lab.machine("waits")
        lab.delete("leaves")
        held, before = lab.held("Bound"), lab.written("runs")
        await lab.release_all()
        assert lab.hooks("runs") == {"preTerminate": [FOREIGN]}
        assert (lab.hooks("leaves"), lab.hooks("waits")) == ({}, {})
        assert not lab.patches("theirs")
        assert (lab.held("Bound"), lab.written("runs")) == (held, before)
        lab.finish("leaves")
        assert lab.server.find(MACHINES, "leaves", NS) is None

    play(story)


def test_what_cannot_be_changed_keeps_no_other_object_held() -> None:
    async def story(lab: Lab) -> None:
        lab.pool()
        lab.claim("a", "b")
        await lab.settle()
        await lab.stop()
        refusal = {"kind": "Status", "reason": "Invalid", "message": "no", "code": 422}
        path = "/ipaddressclaims/a"
        lab.server.faults.append(Fault("PATCH", 422, refusal, path=path, times=10**6))
        await lab.release_all()
        lab.server.delete(lab.claims, "b", CLAIMS)
        assert lab.find_claim("b") is None
        raw = lab.find_claim("a")
        assert raw is not None
        assert raw["metadata"]["finalizers"]

    play_claims(story)
