"""The series of net-attach-defs, also under the names of other admission controllers."""

from __future__ import annotations

import json
from typing import Any

from lab_nads import Lab, play

from moorage_endpoints.nads.names import DEFAULT_NETWORK


def _series(lab: Lab) -> dict[str, dict[str, float]]:
    """By the name of a series: its value by that of its only label."""
    assert lab.world.manager is not None
    found: dict[str, dict[str, float]] = {}
    for family in lab.world.manager.registry.collect():
        for sample in family.samples:
            label = next((v for k, v in sample.labels.items() if k in ("state", "networks")), "")
            found.setdefault(sample.name, {})[label] = sample.value
    return found


def _config(*types: str) -> str:
    plugins: list[dict[str, Any]] = [{"type": one} for one in types]
    return json.dumps({"plugins": plugins})


def test_running_pods_are_counted_by_the_types_of_their_networks() -> None:
    async def story(lab: Lab) -> None:
        lab.nad("br", config=_config("bridge", "tuning"))
        lab.nad("vf", config=_config("sriov"))
        lab.nad("file", config="")
        for name in ("a", "b"):
            lab.pod(name, "vf")
        lab.pod("c", "br,vf")
        lab.pod("d", "file")
        lab.pod("e", "vf")
        lab.pod_phase("Pending", "e")
        lab.pod("f", "", **{DEFAULT_NETWORK: "default/vf"})
        await lab.settle()
        counted = _series(lab)["network_attachment_definition_instances"]
        assert counted == {
            "any": 4,
            "bridge": 1,
            "tuning": 1,
            "sriov": 4,
            "bridge,sriov,tuning": 1,
        }
        up = _series(lab)["network_attachment_definition_enabled_instance_up"]
        assert up == {"any": 1, "sriov": 1}
        for name in "abcdf":
            lab.remove_pod(name)
        await lab.settle()
        assert _series(lab)["network_attachment_definition_instances"] == {"any": 0}
        up = _series(lab)["network_attachment_definition_enabled_instance_up"]
        assert up == {"any": 0, "sriov": 0}

    play(story)


def test_nads_are_counted_by_what_keeps_them_and_pods_that_wait_for_one() -> None:
    async def story(lab: Lab) -> None:
        for name in ("used", "unused", "going"):
            lab.nad(name)
        lab.pod("a", "used,going")
        lab.pod("b", "nowhere")
        await lab.settle()
        lab.delete("going")
        await lab.settle()
        series = _series(lab)
        assert series["moorage_endpoints_nads"] == {"used": 1, "unused": 1, "held": 1}
        assert series["moorage_endpoints_nads_missing"] == {"": 1}

    play(story)
