"""Machines with a start hook, in virtual time: research/machine-ipam.md, mode C."""

from __future__ import annotations

import copy
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from lab_claims import GATEWAY
from lab_machines import (
    DUAL_CONFIG,
    FOREIGN,
    HOOK,
    NS,
    README_CONFIG,
    MachineLab,
    play_machines,
    spec_of,
)

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_machine_ipam.kinds import MACHINES
from moorage_testing.apiserver import Fault

Story: TypeAlias = Callable[[MachineLab], Awaitable[None]]
Play: TypeAlias = Callable[..., None]

FIRST = "192.168.101.64"
LAB = {"networkName": "lab"}
DEVICE_OF_README = {
    "networkName": "lab",
    "config": {
        "interfaces": [
            {
                "name": "ens192",
                "type": "ethernet",
                "state": "up",
                "ipv4": {
                    "enabled": True,
                    "dhcp": False,
                    "address": [{"ip": FIRST, "prefix-length": 23}],
                },
                "ipv6": {"enabled": False},
            }
        ],
        "routes": {
            "config": [
                {
                    "destination": "0.0.0.0/0",
                    "next-hop-address": "192.168.100.1",
                    "next-hop-interface": "ens192",
                    "metric": 100,
                }
            ]
        },
        "dns-resolver": {"config": {"server": ["192.168.1.215"]}},
    },
}
TINY = README_CONFIG.replace("192.168.101.64/28", "192.168.101.64/31")


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(story: Story, text: str = README_CONFIG, **settings: Any) -> None:
        play_machines(tmp_path / "ipam-config.yaml", story, text, **settings)

    return run


def test_the_walk_through_of_the_readme_hook_precreate_single_patch(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("worker-0")
        before = copy.deepcopy(lab.get("worker-0")["spec"])
        await lab.settle()
        assert len(lab.patches()) == 1
        after = lab.get("worker-0")["spec"]
        assert lab.devices("worker-0") == [DEVICE_OF_README]
        assert after["lifecycleHooks"] == {"preTerminate": [HOOK]}
        for spec in (before, after):
            del spec["lifecycleHooks"], spec["providerSpec"]["value"]["network"]
        assert after == before, "nothing else was touched"
        assert lab.owners() == {FIRST: ("worker-0", "device-0-ipv4")}
        (record,) = lab.records()
        assert record["spec"]["owner"] == {
            "apiVersion": "machine.openshift.io/v1beta1",
            "kind": "Machine",
            "namespace": NS,
            "name": "worker-0",
            "uid": lab.get("worker-0")["metadata"]["uid"],
        }
        assert record["spec"]["poolRef"]["kind"] == "HookConfig"
        assert lab.events("Machine", "worker-0") == []
        # The VM runs; then the MachineSet is scaled down.
        lab.status(
            "worker-0", phase="Running", addresses=[{"type": "InternalIP", "address": FIRST}]
        )
        await lab.settle()
        lab.delete("worker-0")
        await lab.settle()
        assert lab.hooks("worker-0") == {}
        assert lab.held("Bound") == {FIRST}, "its VM is still up"
        lab.finish("worker-0")
        await lab.settle()
        assert lab.held("Quarantined") == {FIRST}
        await lab.world.pass_time(400.0)
        assert lab.records() == []

    play(story)


def test_the_second_generation_gets_fields_of_both_families(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", spec=spec_of(hooks={"preProvision": [HOOK], "preCreate": [HOOK]}))
        await lab.settle()
        assert lab.devices("a") == [
            {
                "networkName": "lab",
                "dhcp4": "Disabled",
                "dhcp6": "Disabled",
                "ipAddrs": [f"{FIRST}/23", "2001:db8:1::2/64"],
                "gateway4": "192.168.100.1",
                "gateway6": "2001:db8:1::1",
                "nameservers": ["192.168.1.215", "2001:db8::53"],
            }
        ]
        assert lab.hooks("a") == {"preCreate": [HOOK], "preTerminate": [HOOK]}
        assert len(lab.patches()) == 1

    play(story, DUAL_CONFIG)


def test_hook_multi_device(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", spec=spec_of([LAB, {"networkName": "storage"}, None]))
        await lab.settle()
        names = [one["config"]["interfaces"][0]["name"] for one in lab.devices("a")]
        assert names == ["ens192", "ens224", "ens256"]
        assert lab.written("a") == [FIRST, "192.168.101.65", "192.168.101.66"]
        assert len(lab.patches()) == 1
        assert lab.owners() == {
            FIRST: ("a", "device-0-ipv4"),
            "192.168.101.65": ("a", "device-1-ipv4"),
            "192.168.101.66": ("a", "device-2-ipv4"),
        }

    play(story)


def test_a_device_that_takes_from_pools_is_left_to_its_claims(play: Play) -> None:
    claimed = {"networkName": "b", "addressesFromPools": [{"group": "g", "name": "x"}]}

    async def story(lab: MachineLab) -> None:
        lab.machine("a", spec=spec_of([LAB, claimed]))
        lab.machine("b", spec=spec_of([claimed]))
        await lab.settle()
        assert lab.devices("a") == [DEVICE_OF_README, claimed]
        assert lab.devices("b") == [claimed]
        assert lab.hooks("b") == {"preTerminate": [HOOK]}
        assert lab.held() == {FIRST}

    play(story)


def test_hook_unknown_fields_kept(play: Play) -> None:
    device = LAB | {"ofTheFuture": {"a/b~c": [1, None]}, "nameservers": ["192.0.2.9"]}
    value: dict[str, Any] = {"dataDisks": [{"name": "x"}], "tagIDs": ["urn:1"], "cloneMode": None}

    async def story(lab: MachineLab) -> None:
        lab.machine("a", spec=spec_of([device], **value) | {"taints": []})
        before = copy.deepcopy(lab.get("a")["spec"])
        await lab.settle()
        after = copy.deepcopy(lab.get("a")["spec"])
        assert after["providerSpec"]["value"]["network"]["devices"][0].pop("config")
        after["lifecycleHooks"] = before["lifecycleHooks"]
        assert after == before

    play(story)


@pytest.mark.parametrize("phase", ["", "Provisioning"])
def test_a_machine_waits_in_its_first_phases(play: Play, phase: str) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        lab.status("a", phase=phase)
        await lab.settle()
        assert lab.written("a") == [FIRST]

    play(story)


@pytest.mark.parametrize("phase", ["Provisioned", "Running", "Failed"])
def test_a_hook_that_comes_too_late_is_told_once(play: Play, phase: str) -> None:
    async def story(lab: MachineLab) -> None:
        await lab.stop()
        lab.machine("a")
        lab.status("a", phase=phase)
        lab.start()
        await lab.world.pass_time(3600.0)
        assert lab.patches() == []
        assert lab.records() == []
        assert lab.events("Machine", "a") == [("Warning", "TooLate")]
        assert phase in lab.message("a")

    play(story)


def test_hook_authoritative_capi(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        await lab.stop()
        for name, authority in (("a", "ClusterAPI"), ("b", "Migrating"), ("c", "MachineAPI")):
            lab.machine(name)
            lab.status(name, authoritativeAPI=authority)
        lab.start()
        await lab.settle()
        assert (lab.patches("a"), lab.patches("b"), len(lab.patches("c"))) == ([], [], 1)
        assert lab.owners() == {FIRST: ("c", "device-0-ipv4")}
        lab.delete("a")
        await lab.settle()
        assert lab.patches("a") == []
        lab.status("b", authoritativeAPI="MachineAPI")
        await lab.settle()
        assert lab.written("b") == ["192.168.101.65"]

    play(story)


def test_hook_deleting_no_late_add_r11(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        await lab.stop()
        lab.machine("a")
        lab.delete("a")
        lab.status("a", phase="Provisioning")
        lab.start()
        await lab.settle()
        assert lab.hooks("a") == {}
        assert lab.records() == []
        assert lab.devices("a") == [LAB]
        lab.finish("a")
        await lab.settle()
        assert lab.server.find(MACHINES, "a", NS) is None

    play(story)


def test_deleted_between_record_and_patch_r11(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.server.faults.append(Fault("PATCH", 503, path="/machines/a", times=3))
        lab.machine("a")
        await lab.world.pass_time(0.5)
        assert lab.held("Bound") == {FIRST}
        lab.delete("a")
        await lab.settle()
        assert lab.hooks("a") == {}
        assert lab.written("a") == []
        assert lab.held("Bound") == {FIRST}
        lab.finish("a")
        await lab.settle()
        assert lab.held("Quarantined") == {FIRST}

    play(story)


def test_release_after_vm_gone_r10(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", "b")
        await lab.settle()
        lab.delete("a")
        await lab.world.pass_time(7200.0)
        lab.machine("c")
        await lab.settle()
        assert lab.held("Bound") == {FIRST, "192.168.101.65", "192.168.101.66"}
        assert lab.written("c") == ["192.168.101.66"], "the VM of a may still run"
        lab.finish("a")
        await lab.world.pass_time(5.0)
        assert lab.held("Quarantined") == {FIRST}

    play(story, TINY.replace("/31", "/30"))


def test_the_records_of_a_machine_that_went_while_nobody_looked_are_released_at_once(
    play: Play,
) -> None:
    names = [f"w{number:02}" for number in range(14)]

    async def story(lab: MachineLab) -> None:
        lab.machine(*names)
        await lab.settle()
        for name in names:
            lab.delete(name)
        await lab.settle()
        await lab.stop()
        for name in names:
            lab.finish(name)
        lab.start()
        await lab.world.pass_time(30.0)
        assert lab.held("Bound") == set(), "fourteen at once, but each was seen being deleted"

    play(story)


def test_a_machine_that_is_gone_without_a_word_keeps_its_address_for_ten_minutes(
    play: Play,
) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        lab.server.remove(MACHINES, "a", NS)
        await lab.world.pass_time(500.0)
        assert lab.held("Bound") == {FIRST}
        await lab.world.pass_time(200.0)
        assert lab.held("Quarantined") == {FIRST}

    play(story)


def test_foreign_hooks_are_untouched_r12(play: Play) -> None:
    hooks = {
        "preCreate": [FOREIGN, HOOK, {"name": HOOK["name"], "owner": "other"}],
        "preDrain": [FOREIGN],
        "preTerminate": [FOREIGN],
    }

    async def story(lab: MachineLab) -> None:
        lab.machine("a", spec=spec_of(hooks=hooks))
        await lab.settle()
        others = [FOREIGN, {"name": HOOK["name"], "owner": "other"}]
        assert lab.hooks("a") == {
            "preCreate": others,
            "preDrain": [FOREIGN],
            "preTerminate": [FOREIGN, HOOK],
        }
        lab.delete("a")
        await lab.settle()
        assert lab.hooks("a") == {
            "preCreate": others,
            "preDrain": [FOREIGN],
            "preTerminate": [FOREIGN],
        }

    play(story)


def test_hooks_of_others_are_no_business_of_ours(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", spec=spec_of(hooks={"preCreate": [FOREIGN], "preProvision": [HOOK]}))
        lab.machine("b", spec=spec_of(hooks={}))
        await lab.settle()
        lab.delete("a")
        await lab.settle()
        assert lab.patches() == []
        assert lab.records() == []
        assert lab.events("Machine", "b") == []
        assert lab.events("Machine", "a") == [("Warning", "HookUnserved"), ("Normal", "Leaving")]

    play(story)


UNUSABLE: list[tuple[Any, str]] = [
    (spec_of([]), "devices is empty"),
    (spec_of(network=None), "devices is empty"),
    (spec_of(network={"devices": "lab"}), "is not a list of objects"),
    (
        spec_of(
            hooks={"preCreate": [HOOK], "preTerminate": [{"name": HOOK["name"], "owner": "me!"}]}
        ),
        'is of "me!"',
    ),
]


@pytest.mark.parametrize(("spec", "message"), UNUSABLE)
def test_a_machine_that_cannot_be_given_addresses_takes_none(
    play: Play, spec: Any, message: str
) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("bad", spec=spec)
        lab.machine("good")
        await lab.world.pass_time(3600.0)
        assert lab.patches("bad") == []
        assert lab.held() == {FIRST}
        assert lab.events("Machine", "bad") == [("Warning", "MachineUnusable")]
        assert message in lab.message("bad")
        repaired = spec_of()
        lab.server.put(MACHINES, "bad", NS, spec=repaired, metadata={"finalizers": ["x"]})
        await lab.settle()
        assert lab.written("bad") == ["192.168.101.65"]
        assert lab.events("Machine", "bad")[-1] == ("Normal", "AddressesWritten")

    play(story)


def test_exhausted(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", "b")
        await lab.settle()
        lab.machine("c")
        await lab.world.pass_time(10.0)
        await lab.world.rests()
        assert lab.events("Machine", "c") == [("Warning", "PoolExhausted")]
        assert "1 of 192.168.101.64/31 needed, 0 free" in lab.message("c")
        assert lab.hooks("c") == {"preCreate": [HOOK]}
        lab.delete("a")
        await lab.settle()
        lab.finish("a")
        await lab.world.pass_time(299.0)
        assert lab.written("c") == []
        await lab.world.pass_time(3.0)
        assert lab.written("c") == [FIRST], "as soon as the reuse delay is over"
        await lab.settle()
        assert lab.events("Machine", "c")[-1][0] == "Normal"

    play(story, TINY)


def test_who_needs_two_takes_none_where_one_is_free(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        lab.machine("two", spec=spec_of([LAB, LAB]))
        await lab.settle()
        assert lab.owners() == {FIRST: ("a", "device-0-ipv4")}
        lab.machine("b")
        await lab.settle()
        assert lab.written("b") == ["192.168.101.65"]

    play(story, TINY)


def test_of_two_that_need_all_at_once_one_gets_all(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", "b", spec=spec_of([LAB, LAB]))
        await lab.settle()
        assert sorted(len(lab.written(name)) for name in "ab") == [0, 2]

    play(story, TINY)


def test_claims_and_hooks_never_give_one_address_twice(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.pool(address_cidr="192.168.101.64/30", prefix=23)
        lab.claim("c1", "c2")
        lab.machine("m1", "m2")
        await lab.settle()
        claimed = {lab.address("c1"), lab.address("c2")}
        given = {*lab.written("m1"), *lab.written("m2")}
        assert len(claimed) == len(given) == 2
        assert not claimed & given
        assert lab.pool_status()["used"] == 4
        conditions = {one["type"]: one for one in lab.pool_status()["conditions"]}
        assert "hook-ipv4" in conditions["Overlapping"]["message"]

    play(story, README_CONFIG.replace("/28", "/30"))


def test_neither_gateway_nor_name_servers_are_given_away(play: Play) -> None:
    text = (
        README_CONFIG.replace("192.168.101.64/28", "192.168.100.0/29")
        .replace("192.168.1.215", "192.168.100.2")
        .replace("prefix: 23", "prefix: 29")
    )

    async def story(lab: MachineLab) -> None:
        lab.machine(*(f"m{number}" for number in range(8)))
        await lab.settle()
        assert lab.held() == {f"192.168.100.{last}" for last in (3, 4, 5, 6)}
        assert GATEWAY not in lab.held()

    play(story, text)


TAKEN = "192.168.100.2"
NAMED: list[tuple[dict[str, Any], list[Any]]] = [
    ({"ipAddrs": [f"{TAKEN}/24", "nonsense", None]}, []),
    ({"config": {"interfaces": [{"ipv4": {"address": [{"ip": TAKEN}, 7]}}, None]}}, []),
    (
        {},
        [
            {"type": "Hostname", "address": "static"},
            {"type": "InternalIP", "address": "fe80::1%eth0"},
            {"type": "InternalIP", "address": TAKEN},
        ],
    ),
]


@pytest.mark.parametrize(("named", "seen"), NAMED, ids=["ipAddrs", "config", "status"])
@pytest.mark.parametrize(
    "settings", [{}, {"hook_config": "", "watch_machines": True}], ids=["hook", "watch"]
)
def test_observed_static_machine_r20(play: Play, named: Any, seen: Any, settings: Any) -> None:
    async def story(lab: MachineLab) -> None:
        lab.pool()
        lab.machine("static", spec=spec_of([LAB | named], hooks={}))
        lab.status("static", phase="Running", addresses=seen)
        await lab.settle()
        lab.claim("a")
        await lab.settle()
        assert lab.address("a") == "192.168.100.3"
        lab.pool("other", network="other")
        lab.claim("b", pool="other")
        await lab.settle()
        assert lab.address("b") == "192.168.100.3", "in which network it is nobody says"
        lab.claim("asks", annotations={"moorage.dev/ip-address": TAKEN})
        await lab.settle()
        assert lab.reason("asks") == "AllocationFailed"
        assert f"Machine {NS}/static" in lab.condition("asks")["message"]
        assert lab.patches() == []
        lab.delete("static")
        await lab.settle()
        assert lab.reason("asks") == "AllocationFailed"
        lab.finish("static")
        await lab.world.pass_time(400.0)
        assert lab.address("asks") == TAKEN

    play(story, **settings)


def test_without_either_setting_machines_are_not_asked_for(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        assert not [one for one in lab.server.asked if "machines" in one.path.split("/")[-1:]]
        assert lab.patches() == []

    play(story, hook_config="")


def test_two_that_name_one_address_are_told(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        static = spec_of([LAB | {"ipAddrs": [f"{FIRST}/23"]}], hooks={})
        lab.machine("b", spec=static)
        await lab.settle()
        assert lab.events("Machine", "b") == [("Warning", "MachineConflict")]
        assert f"belongs to Machine {NS}/a" in lab.message("b")
        other = spec_of([LAB | {"ipAddrs": ["192.168.101.70/23", "203.0.113.9/24"]}], hooks={})
        lab.machine("c", spec=other)
        await lab.settle()
        assert lab.events("Machine", "c") == []
        lab.machine("d", spec=other)
        await lab.settle()
        assert f"is named by Machine {NS}/c, too" in lab.message("d")
        assert "203.0.113.9" not in lab.message("d")
        assert lab.events("Machine", "a") == []

    play(story)


def test_config_reload(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def warnings() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]

    async def story(lab: MachineLab) -> None:
        lab.machine("a", "b", "c")
        await lab.settle()
        assert sum(bool(lab.written(name)) for name in "abc") == 2
        lab.edit(README_CONFIG.replace("prefix: 23", "prefix: 99"))
        await lab.world.pass_time(60.0)
        (line,) = warnings()
        assert 'ipam-config.prefix: "99" is longer than that of the range' in line
        assert "write a number from 1 to 28" in line
        lab.edit("")
        lab.path.unlink()
        await lab.world.pass_time(60.0)
        assert "cannot be read" in warnings()[1]
        assert sum(bool(lab.written(name)) for name in "abc") == 2
        lab.edit(README_CONFIG)
        await lab.world.pass_time(10.0)
        assert all(lab.written(name) for name in "abc")
        lab.edit(DUAL_CONFIG)
        await lab.world.pass_time(10.0)
        assert "lifecycle-hook was ipamController of network-admin in preCreate" in warnings()[2]
        lab.machine("d", spec=spec_of(hooks={"preProvision": [HOOK]}))
        await lab.settle()
        assert len(lab.written("d")) == 2
        assert len(warnings()) == 3

    play(story, TINY)


def test_a_range_that_changes_in_between_leaks_no_address(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.server.faults.append(Fault("PATCH", 503, path="/machines/a", times=6))
        lab.machine("a")
        await lab.world.pass_time(0.5)
        assert lab.held("Bound") == {FIRST}
        lab.edit(
            README_CONFIG.replace("192.168.101.64/28", "10.0.0.0/24")
            .replace("192.168.100.1", "10.0.0.1")
            .replace("prefix: 23", "prefix: 24")
        )
        await lab.settle()
        assert lab.written("a") == ["10.0.0.2"]
        assert lab.held("Bound") == {FIRST, "10.0.0.2"}
        lab.delete("a")
        await lab.settle()
        lab.finish("a")
        await lab.world.pass_time(400.0)
        assert lab.records() == []

    play(story)


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("verb", ["POST", "PATCH"])
def test_an_answer_that_is_lost_makes_no_second_address(play: Play, verb: str, drop: Any) -> None:
    async def story(lab: MachineLab) -> None:
        path = "/ipallocations" if verb == "POST" else "/machines/a"
        lab.server.faults.append(Fault(verb, path=path, drop=drop))
        lab.machine("a", spec=spec_of([LAB, LAB]))
        await lab.settle()
        assert lab.written("a") == [FIRST, "192.168.101.65"]
        assert lab.held() == {FIRST, "192.168.101.65"}

    play(story)


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("how", ["politely", "by force"])
def test_what_was_asked_for_a_machine_that_went_is_found_out(
    play: Play, how: str, drop: Any
) -> None:
    async def story(lab: MachineLab) -> None:
        lab.server.faults.append(Fault("POST", path="/ipallocations", drop=drop))
        lab.machine("a")
        await lab.world.pass_time(0.5)
        if how == "politely":
            lab.delete("a")
        else:
            lab.server.remove(MACHINES, "a", NS)
            lab.machine("a")
            await lab.settle()
            assert lab.written("a") in ([FIRST], ["192.168.101.65"]), "it is another one"
            return
        await lab.settle()
        assert lab.held("Bound") == set()
        lab.machine("b")
        await lab.settle()
        assert lab.written("b") == [FIRST if drop == "before" else "192.168.101.65"]

    play(story)


def test_a_machine_that_comes_back_from_a_backup_has_its_address(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", "b")
        await lab.settle()
        await lab.stop()
        restored = copy.deepcopy(lab.get("a")["spec"])
        lab.server.remove(MACHINES, "a", NS)
        lab.server.remove(MACHINES, "b", NS)
        lab.machine("a", spec=restored, labels={"velero.io/restore-name": "nightly"})
        lab.machine("b")
        lab.start()
        await lab.settle()
        assert lab.written("a") == [FIRST]
        assert lab.owners("Bound")[FIRST] == ("a", "device-0-ipv4")
        owners = {one["spec"]["address"]: one["spec"]["owner"] for one in lab.records("Bound")}
        assert owners[FIRST]["uid"] == lab.get("a")["metadata"]["uid"]
        assert lab.held("Quarantined") == {"192.168.101.65"}, "b is another one"
        assert lab.written("b") == ["192.168.101.66"]

    play(story)


def test_a_dry_run_writes_nothing(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a", annotations={"moorage.dev/dry-run": "true"})
        lab.machine("b")
        await lab.settle()
        assert (lab.patches("a"), len(lab.patches("b"))) == ([], 1)
        assert lab.held() == {FIRST}

    play(story)


def test_a_kind_that_is_lost_says_nothing_of_its_owners(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        body = {
            "kind": "Status",
            "reason": "NotFound",
            "message": "the server could not find the requested resource",
        }
        lab.server.faults.append(Fault("GET", 404, body, path="/machines/a", times=10**6))
        lab.server.remove(MACHINES, "a", NS)
        await lab.world.pass_time(7200.0)
        assert lab.held("Bound") == {FIRST}
        lab.server.faults.clear()
        await lab.world.pass_time(700.0)
        assert lab.held("Bound") == set()

    play(story)


def test_a_record_deleted_by_hand_leaves_the_address_in_use(play: Play) -> None:
    async def story(lab: MachineLab) -> None:
        lab.machine("a")
        await lab.settle()
        lab.server.delete(IPALLOCATIONS, "default-c0a86540")
        lab.machine("b")
        await lab.settle()
        assert lab.written("b") == ["192.168.101.65"]

    play(story)
