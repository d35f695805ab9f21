"""Machines that get their addresses as they are created: research/machine-ipam.md, mode B."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from lab_admission import (
    FIRST,
    SECOND,
    STOCK,
    Admission,
    AdmissionLab,
    machine_body,
    play_admission,
)
from lab_machines import DUAL_CONFIG, FOREIGN, HOOK, NS, devices_of, spec_of, written

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_machine_ipam.controller import setup
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_testing.apiserver import Fault, Refusal
from moorage_testing.harness import Scenario, World, managed

Raw = dict[str, Any]
Story: TypeAlias = Callable[[AdmissionLab], Awaitable[None]]
Play: TypeAlias = Callable[..., None]

LAB = {"networkName": "lab"}
TINY = STOCK.replace("192.168.101.64/28", "192.168.101.64/31")


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(story: Story, text: str = STOCK, **settings: Any) -> None:
        play_admission(tmp_path / "ipam-config.yaml", story, text, **settings)

    return run


def test_a_machine_is_born_with_its_address_and_keeps_it_until_its_vm_is_gone(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        before = machine_body("worker-0", spec=spec_of(hooks={"preTerminate": [FOREIGN]}))
        made = await lab.admission.create(before)
        assert devices_of(made) == [
            LAB
            | {
                "ipAddrs": [f"{FIRST}/23"],
                "gateway": "192.168.100.1",
                "nameservers": ["192.168.1.215"],
            }
        ]
        assert made["spec"]["lifecycleHooks"] == {"preTerminate": [FOREIGN, HOOK]}
        rest = copy.deepcopy(made["spec"])
        rest["lifecycleHooks"] = before["spec"]["lifecycleHooks"]
        rest["providerSpec"]["value"]["network"] = {"devices": [LAB]}
        assert rest == before["spec"], "nothing else was touched"
        assert lab.reserved() == {FIRST: "worker-0"}
        await lab.step()
        (record,) = lab.records("Bound")
        assert record["spec"]["owner"]["uid"] == made["metadata"]["uid"]
        assert "reservation" not in record["spec"]
        (vm,) = lab.openshift.vms.values()
        assert vm.kargs == (
            "ip=192.168.101.64::192.168.100.1:255.255.254.0:::none nameserver=192.168.1.215 "
        )
        hooks = {"spec": {"lifecycleHooks": {"preTerminate": [HOOK]}}}
        lab.patch_machine("worker-0", hooks)
        lab.delete("worker-0")
        await lab.world.pass_time(5.0)
        assert lab.held("Bound") == {FIRST}, "its VM is still up"
        await lab.step()
        assert lab.openshift.vms == {}
        assert lab.held("Quarantined") == {FIRST}
        await lab.world.pass_time(400.0)
        assert lab.records() == []

    play(story)


def test_a_machine_without_a_name_gets_one_as_the_api_server_would_make_it_up(play: Play) -> None:
    """A MachineSet sends ``generateName`` only; its reservation needs a name that can be found."""

    async def story(lab: AdmissionLab) -> None:
        made = [await lab.create(prefix="worker-") for _ in range(3)]
        names = [one["metadata"]["name"] for one in made]
        assert len(set(names)) == 3
        for name in names:
            assert name.startswith("worker-")
            assert len(name) == len("worker-") + 5
            assert set(name[-5:]) <= set("bcdfghjklmnpqrstvwxz2456789")
        assert [name for name, _ in lab.owners().values()] == names
        long = await lab.create(prefix="w" * 80)
        assert len(long["metadata"]["name"]) == 63
        await lab.step()
        assert len(lab.held("Bound")) == 4

    play(story)


def test_every_device_gets_an_address_of_each_family(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        pools = [{"group": "ipamcontroller.openshift.io", "resource": "ippools", "name": "x"}]
        claimed = {"networkName": "c", "addressesFromPools": pools}
        made = await lab.create("a", spec=spec_of([LAB, claimed, {"networkName": "b"}], {}))
        first, second, third = devices_of(made)
        assert first["ipAddrs"] == ["192.168.101.64/23", "2001:db8:1::2/64"]
        assert second == claimed, "its claims see to it"
        assert third["ipAddrs"] == ["192.168.101.65/23", "2001:db8:1::3/64"]
        assert lab.owners() == {
            FIRST: ("a", "device-0-ipv4"),
            SECOND: ("a", "device-2-ipv4"),
            "2001:db8:1::2": ("a", "device-0-ipv6"),
            "2001:db8:1::3": ("a", "device-2-ipv6"),
        }

    play(story, DUAL_CONFIG)


def test_a_dry_run_shows_the_address_and_reserves_none(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        for name in ("a", "b"):
            shown = await lab.create(name, dry_run=True)
            assert written(shown) == [FIRST]
        assert lab.admission.warnings == ["dry run: these addresses are not reserved"] * 2
        assert lab.records() == []
        await lab.settle()
        assert lab.world.changes == []
        await lab.create("a")
        assert written(await lab.create("a-2", dry_run=True)) == [SECOND]
        refused = await lab.refusal("b", dry_run=True, spec=spec_of([LAB] * 8, {}))
        assert "8 of 192.168.101.64/29 needed, 7 free" in refused.message
        assert lab.held() == {FIRST}

    play(story, STOCK.replace("/28", "/29"))


def test_machines_that_are_not_meant_are_left_alone(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        for labels in ({}, {"moorage.dev/static-addresses": "false"}):
            made = await lab.create(f"a-{len(labels)}", labels=labels)
            assert devices_of(made) == [LAB]
        assert lab.admission.asked == 0
        held = await lab.create("c", spec=spec_of(hooks={"preCreate": [HOOK]}))
        assert devices_of(held) == [LAB]
        await lab.settle()
        assert lab.written("c") == [FIRST], "the hook's own way"
        capi = spec_of(hooks={}) | {"authoritativeAPI": "ClusterAPI"}
        assert devices_of(await lab.create("d", spec=capi)) == [LAB]
        assert lab.admission.warnings == [
            "it gets no static addresses: spec.authoritativeAPI is ClusterAPI"
        ]
        note = {"moorage.dev/dry-run": "true"}
        assert devices_of(await lab.create("e", annotations=note)) == [LAB]

    play(story)


def test_with_dry_run_the_process_writes_nothing(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        assert devices_of(await lab.create("a")) == [LAB]
        assert "runs with --dry-run" in lab.admission.warnings[0]
        await lab.settle()
        assert lab.records() == []

    play(story, dry_run=True)


UNUSABLE: list[tuple[Any, str]] = [
    (spec_of([], {}), "devices is empty: add a device with a networkName"),
    (spec_of([LAB] * 11, {}), "has 11 devices, and a VM at most 10"),
    (spec_of(network={"devices": "lab"}, hooks={}), "is not a list of objects"),
    (spec_of(hooks={"preTerminate": [{"name": HOOK["name"], "owner": "me!"}]}), 'is of "me!"'),
    (spec_of([LAB | {"ipAddrs": [f"{FIRST}/23"]}] * 2, {}), f"name {FIRST} 2 times; name it once"),
]


@pytest.mark.parametrize(("spec", "message"), UNUSABLE)
def test_a_machine_that_cannot_be_given_addresses_is_refused(
    play: Play, spec: Any, message: str
) -> None:
    async def story(lab: AdmissionLab) -> None:
        refused = await lab.refusal("a", spec=spec)
        assert (refused.status, refused.reason) == (422, "Invalid")
        assert message in refused.message
        assert lab.records() == []

    play(story)


def test_exhausted(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        await lab.create("a")
        refused = await lab.refusal("b", spec=spec_of([LAB, LAB], {}))
        assert (refused.status, refused.reason) == (403, "Forbidden")
        assert "no static address: 2 of 192.168.101.64/31 needed, 1 free" in refused.message
        assert lab.reserved() == {FIRST: "a"}, "it takes none"
        await lab.create("c")
        await lab.step()
        assert "1 of 192.168.101.64/31 needed, 0 free" in (await lab.refusal("d")).message
        lab.delete("c")
        await lab.step(8.0)
        told = (await lab.refusal("d")).message
        assert "0 free; a released one comes free at 20" in told
        await lab.world.pass_time(320.0)
        assert written(await lab.create("d")) == [SECOND]

    play(story, TINY)


@pytest.mark.parametrize("why", ["refused later", "answer lost"])
def test_whoever_tries_again_gets_the_same_address(play: Play, why: str) -> None:
    async def story(lab: AdmissionLab) -> None:
        for _ in range(5):
            if why == "refused later":
                lab.admission.refused = 1
            else:
                lab.admission.lost = 1
            await lab.refusal("a")
            assert lab.reserved() == {FIRST: "a"}
        await lab.world.pass_time(200.0)
        assert written(await lab.create("a")) == [FIRST]
        await lab.world.pass_time(200.0)
        assert lab.held("Bound") == {FIRST}, "the reservation was used again, and its owner is here"

    play(story)


def test_a_reservation_for_a_machine_that_never_comes_ends(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.admission.refused = 2
        await lab.refusal(prefix="worker-")
        await lab.refusal("named")
        assert set(lab.reserved()) == {FIRST, SECOND}
        assert "0 free" in (await lab.refusal("late")).message
        await lab.world.pass_time(290.0)
        assert set(lab.reserved()) == {FIRST, SECOND}
        await lab.world.pass_time(20.0)
        assert lab.records() == [], "nobody has ever had them, so they need no rest"
        assert written(await lab.create("late")) == [FIRST]

    play(story, TINY)


def test_a_reservation_ends_also_where_the_process_died_meanwhile(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.admission.refused = 1
        await lab.refusal("a")
        await lab.stop()
        await asyncio.sleep(3600.0)
        lab.start()
        await lab.world.pass_time(100.0)
        assert lab.reserved() == {FIRST: "a"}, "for all that it knows the request is under way"
        await lab.world.pass_time(30.0)
        assert lab.records() == []

    play(story)


def test_a_machine_that_came_while_nobody_looked_keeps_its_address(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        blind_to_machines(lab)
        await lab.world.pass_time(1.0)
        await lab.create("a")
        await lab.world.pass_time(1000.0)
        assert lab.held("Reserved", "Bound") == {FIRST}
        lab.server.faults.clear()
        await lab.world.pass_time(400.0)
        assert lab.held("Bound") == {FIRST}

    play(story)


def blind_to_machines(lab: AdmissionLab) -> None:
    """The watch is broken, and no list goes through: the cache shows no Machine that is new."""
    lab.server.faults.append(Fault("GET", 503, path="/machines", times=10_000))
    lab.server.faults.append(Fault("WATCH", 503, path="/machines", times=10_000))
    lab.server.cut_watches()


def test_who_fails_takes_nothing_from_a_machine_that_is_there(play: Play) -> None:
    """An earlier request has made it, and nobody has bound its address yet."""

    async def story(lab: AdmissionLab) -> None:
        blind_to_machines(lab)
        await lab.world.pass_time(1.0)
        await lab.create("a")
        lab.server.faults.append(Fault("POST", 503, path="/ipallocations"))
        assert (await lab.refusal("a", spec=spec_of([LAB, LAB], {}))).status == 503
        await lab.world.pass_time(60.0)
        assert lab.reserved() == {FIRST: "a"}
        assert written(await lab.create("b")) == [SECOND]

    play(story)


def test_another_machine_of_the_name_is_not_given_what_was_reserved(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.admission.refused = 1
        await lab.refusal("a")
        # Somebody takes the label off, and creates it again.
        await lab.create("a", labels={})
        await lab.world.pass_time(200.0)
        assert lab.reserved() == {FIRST: "a"}
        await lab.world.pass_time(200.0)
        assert lab.records() == []

    play(story)


def test_a_name_that_is_taken_reserves_nothing(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        await lab.create("a")
        await lab.step()
        for dry_run in (False, True):
            refused = await lab.refusal("a", dry_run=dry_run)
            assert (refused.status, refused.reason) == (409, "AlreadyExists")
            assert 'machines.machine.openshift.io "a" already exists' in refused.message
        assert lab.held() == {FIRST}

    play(story)


def test_a_machine_that_is_replaced_at_once_has_an_address_of_its_own(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        await lab.create("a")
        await lab.step()
        # Somebody takes all finalizers off, and is faster than any watch.
        lab.server.remove(MACHINES, "a", NS)
        again = await lab.create("a")
        assert written(again) == [SECOND], "the VM of the former one may still be up"
        await lab.world.pass_time(2.0)
        bound = {
            one["spec"]["address"]: one["spec"]["owner"]["uid"] for one in lab.records("Bound")
        }
        assert bound == {SECOND: again["metadata"]["uid"]}
        assert lab.held("Quarantined") == {FIRST}

    play(story)


def adds_a_device(machine: Raw) -> Raw:
    devices = machine["spec"]["providerSpec"]["value"]["network"]["devices"]
    if len(devices) == 1:
        devices.insert(0, {"networkName": "first"})
    return machine


def takes_addresses_out(machine: Raw) -> Raw:
    for device in devices_of(machine):
        device.pop("ipAddrs", None)
    return machine


def labels_it(machine: Raw) -> Raw:
    machine["metadata"]["labels"]["seen"] = "yes"
    return machine


@pytest.mark.parametrize("prefix", ["", "worker-"], ids=["named", "generated"])
@pytest.mark.parametrize("other", [takes_addresses_out, labels_it], ids=["took out", "labels"])
def test_asked_once_more_it_gives_the_same_address(
    play: Play, other: Callable[[Raw], Raw], prefix: str
) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.admission.others = [other]
        made = await lab.create("" if prefix else "a", prefix=prefix)
        assert lab.admission.asked == 2
        assert written(made) == [FIRST]
        assert made["spec"]["lifecycleHooks"] == {"preTerminate": [HOOK]}
        assert lab.reserved() == {FIRST: made["metadata"]["name"]}
        await lab.step()
        assert lab.held() == lab.held("Bound") == {FIRST}

    play(story)


def test_a_device_that_another_webhook_adds_gets_an_address_of_its_own(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.admission.others = [adds_a_device]
        made = await lab.create("a")
        assert written(made) == [SECOND, FIRST]
        await lab.step()
        assert lab.held("Bound") == {FIRST, SECOND}
        assert lab.reserved() == {}

    play(story)


def test_addresses_of_others_are_refused_by_name(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.pool(namespace=NS)
        lab.claim("c", namespace=NS)
        await lab.create("a")
        await lab.step()
        lab.machine("static", spec=spec_of([LAB | {"ipAddrs": ["192.168.101.70/23"]}], {}))
        await lab.world.pass_time(1.0)
        lab.admission.refused = 1
        await lab.refusal("coming")
        for address, whose in (
            (FIRST, f"it belongs to Machine {NS}/a"),
            ("192.168.100.2", f"it belongs to IPAddressClaim {NS}/c"),
            ("192.168.101.70", f"Machine {NS}/static says so"),
            (SECOND, f"it belongs to Machine {NS}/coming"),
        ):
            refused = await lab.refusal(
                "b", spec=spec_of([LAB | {"ipAddrs": [f"{address}/23"]}], {})
            )
            assert (refused.status, refused.reason) == (422, "Invalid")
            assert f"device 0 names {address}: {whose}; name another one" in refused.message

    play(story)


def test_a_copy_of_a_machine_with_all_that_was_written_into_it_is_refused(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        made = await lab.create("a")
        copied = machine_body("b", spec=made["spec"], annotations=made["metadata"]["annotations"])
        with pytest.raises(Refusal, match=f"it belongs to Machine {NS}/a"):
            await lab.admission.create(copied)
        await lab.step()
        with pytest.raises(Refusal, match=f"it belongs to Machine {NS}/a"):
            await lab.admission.create(copied)

    play(story)


def test_an_address_that_somebody_wants_is_reserved_for_that_machine(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        static = LAB | {"ipAddrs": ["192.168.101.66/23"], "gateway": "192.168.100.254"}
        other = LAB | {"ipAddrs": ["10.9.9.9/24"]}
        made = await lab.create("a", spec=spec_of([static, other, LAB], {}))
        assert devices_of(made)[:2] == [static, other]
        assert written(made) == ["192.168.101.66", "10.9.9.9", FIRST]
        assert set(lab.reserved()) == {"192.168.101.66", FIRST}
        assert written(await lab.create("b", spec=spec_of([LAB, LAB], {}))) == [
            SECOND,
            "192.168.101.67",
        ]
        await lab.step()
        assert lab.owners("Bound")["192.168.101.66"] == ("a", "device-0-ipv4")

    play(story)


def test_a_machine_from_a_backup_is_let_in_with_its_own_address(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        made = await lab.create("a")
        await lab.step()
        lab.server.remove(MACHINES, "a", NS)
        await lab.world.pass_time(5.0)
        again = await lab.create("a", spec=made["spec"])
        assert written(again) == [FIRST]
        await lab.world.pass_time(5.0)
        (record,) = lab.records()
        assert record["spec"]["owner"]["uid"] == again["metadata"]["uid"]
        assert record["status"]["phase"] == "Bound"

    play(story)


def test_before_it_knows_what_is_in_use_it_gives_nothing(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        await lab.stop()
        lab.server.faults.append(Fault("GET", 503, path="/ipallocations", times=10_000))
        lab.start()
        await lab.world.pass_time(30.0)
        refused = await lab.refusal("a")
        assert (refused.status, refused.reason) == (503, "ServiceUnavailable")
        assert "it is not known yet which addresses are in use; try again" in refused.message
        lab.server.faults.clear()
        await lab.world.pass_time(400.0)
        assert written(await lab.create("a")) == [FIRST]

    play(story)


def test_while_its_file_is_bad_from_the_beginning_it_says_so(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        refused = await lab.refusal("a")
        assert refused.status == 503
        assert 'ipam-config.prefix: "99" is longer than that of the range' in refused.message
        lab.edit(STOCK)
        await lab.world.pass_time(10.0)
        assert written(await lab.create("a")) == [FIRST]

    play(story, STOCK.replace("prefix: 23", "prefix: 99"))


@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_answer_of_the_api_server_that_is_lost_leaves_nothing_behind(
    play: Play, drop: Any
) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.server.faults.append(Fault("POST", path="/ipallocations", drop=drop))
        refused = await lab.refusal(prefix="worker-")
        assert refused.status == 503
        await lab.world.pass_time(30.0)
        assert lab.records() == []
        assert written(await lab.create(prefix="worker-")) == [FIRST]

    play(story)


@pytest.mark.parametrize("seconds", [6.0, 20.0])
def test_who_is_late_gives_back_what_it_reserved(play: Play, seconds: float) -> None:
    async def story(lab: AdmissionLab) -> None:
        slow = Fault("POST", 0, path="/ipallocations", delay_seconds=seconds)
        lab.server.faults.append(slow)
        refused = await lab.refusal(prefix="worker-")
        assert refused.status == 500
        await lab.world.pass_time(60.0)
        assert lab.reserved() == {}
        assert written(await lab.create(prefix="worker-")) == [FIRST]

    play(story)


def test_who_is_late_takes_nothing_from_who_asked_again(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        # The second of two addresses takes too long; meanwhile the maker asks once more.
        both: dict[str, Any] = {"spec": spec_of([LAB, LAB], {})}
        lab.server.faults.append(Fault("POST", 0, path="/ipallocations", delay_seconds=0.0))
        lab.server.faults.append(Fault("POST", 0, path="/ipallocations", delay_seconds=30.0))
        late = asyncio.create_task(lab.refusal("a", **both))
        await asyncio.sleep(1.0)
        made = await lab.create("a", **both)
        assert (await late).status == 500
        await lab.world.pass_time(60.0)
        assert lab.held("Bound") >= set(written(made))
        assert len(set(written(made))) == 2
        await lab.world.pass_time(400.0)
        assert lab.held() == set(written(made))

    play(story)


def test_uniq_two_replicas(tmp_path: Path) -> None:
    """Each request goes to the other replica, and neither waits for what the other has written."""

    async def story(lab: AdmissionLab) -> None:
        values = {"hook_config": str(lab.path), "webhook_machines": True}
        start = managed(MachineIpamSettings.model_validate(values), setup)
        second = World(Scenario(start, lambda _: None))
        second.server = lab.server
        second.begin()
        await asyncio.sleep(1.0)
        lab.admission = Admission(lab.server, [lab.world, second])
        made = await asyncio.gather(*(lab.create(prefix="w-") for _ in range(6)))
        made += await asyncio.gather(*(lab.create(f"n-{number}") for number in range(6)))
        given = [address for one in made for address in written(one)]
        assert len(set(given)) == 12
        # The same Machine at both at once: one is created, with one address.
        tried = await asyncio.gather(
            *(lab.create("same") for _ in range(4)), return_exceptions=True
        )
        (only,) = [one for one in tried if isinstance(one, dict)]
        await asyncio.sleep(400.0)
        bound = lab.owners("Bound")
        assert bound[written(only)[0]][0] == "same"
        assert len(bound) == 13
        assert lab.held() == lab.held("Bound")
        await second.kill()

    play_admission(tmp_path / "ipam-config.yaml", story)


def test_addresses_of_the_webhook_are_given_to_no_claim(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.pool(namespace=NS, address_cidr="192.168.101.64/29", prefix=23)
        lab.admission.refused = 1
        await lab.refusal("a")
        await lab.create("b")
        lab.claim("c", namespace=NS)
        await lab.settle()
        assert lab.address("c", NS) == "192.168.101.66"

    play(story)


def test_what_a_person_reserved_may_be_named_by_anybody(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.reserve(FIRST, "c0a86540")
        await lab.world.pass_time(1.0)
        made = await lab.create("a", spec=spec_of([LAB | {"ipAddrs": [f"{FIRST}/23"]}], {}))
        assert written(made) == [FIRST]
        assert written(await lab.create("b")) == [SECOND]
        (raw,) = [one for one in lab.server.all_of(IPALLOCATIONS) if "owner" not in one["spec"]]
        assert raw["spec"]["address"] == FIRST

    play(story)
