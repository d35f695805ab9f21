"""Who may only edit allocations and their status steers no mutation by what they write there."""

from __future__ import annotations

import secrets

import pytest
from core_builders import IP1, IP2, IP3, record
from virtual_core import NAME, Lab, Raw, play

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import controller
from moorage_core.seal import Seal
from moorage_core.status import record_to_wire
from moorage_kube.client.kinds import NODES
from moorage_provider.protocol import MachineHolder
from moorage_testing.clouds.memory import TWO_STEPS, MemoryCloud

FOREIGN = {"nodeName": "n9", "nodeUID": "uid-n9", "providerID": "memory://vm-foreign"}
ON_FOREIGN = {"ip": IP1, "phase": "Bound", "reason": "Bound", "since": "", **FOREIGN}
LONG_SECONDS = 200.0

WHEN = pytest.mark.parametrize("restarted", [False, True], ids=["while it leads", "at a restart"])


def edit(lab: Lab, *entries: Raw, **status: object) -> None:
    """What ``kubectl edit --subresource=status`` does."""
    raw = lab.server.find(NETIPALLOCATIONS, NAME)
    assert raw is not None
    edited = raw["status"] | {"addresses": list(entries), **status}
    fields = {"metadata": raw["metadata"], "spec": raw["spec"], "status": edited}
    lab.server.put(NETIPALLOCATIONS, NAME, **fields)
    found = lab.server.find(NETIPALLOCATIONS, NAME)
    assert found is not None
    assert found["status"]["addresses"] == list(entries)


async def attack(lab: Lab, *entries: Raw, restarted: bool) -> None:
    """Write entries, where asked while no controller runs; then let time go by."""
    if restarted:
        await lab.world.kill()
    edit(lab, *entries)
    if restarted:
        lab.world.begin()
    await lab.world.pass_time(LONG_SECONDS)


@WHEN
def test_sec_08_a_foreign_machine_as_place_does_not_bypass_the_policy(*, restarted: bool) -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_machine("vm-foreign")
        lab.add_node("n1")
        lab.allocate(IP1)
        lab.cloud.assign(IP1, "vm-foreign")
        await lab.until(lambda: lab.record(IP1).get("reason") == "InUseByForeign", "that", 40)
        await attack(lab, ON_FOREIGN, restarted=restarted)
        assert lab.where(IP1) == "vm-foreign".removeprefix("vm-")
        assert lab.record(IP1)["reason"] == "InUseByForeign"
        assert "providerID" not in lab.record(IP1)
        (said,) = lab.events("StatusNotBelieved")
        assert said.startswith(f"not believed of the status: {IP1}: ")

    play(story)


@WHEN
def test_sec_08_a_deletion_takes_nothing_off_a_foreign_machine(*, restarted: bool) -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_machine("vm-foreign")
        lab.allocate(IP1)
        lab.cloud.assign(IP1, "vm-foreign")
        await lab.until(lambda: lab.record(IP1).get("reason") == "InUseByForeign", "that", 40)
        lab.delete()
        await attack(lab, ON_FOREIGN, restarted=restarted)
        assert lab.where(IP1) == "foreign"
        assert not lab.status()

    play(story)


@WHEN
def test_sec_08_no_machine_gets_an_address_because_a_status_says_it_is_owed(
    *, restarted: bool
) -> None:
    async def story(lab: Lab) -> None:
        lab.cloud.add_machine("vm-private", with_public_ip=False)
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "it there", 30)
        private = {"nodeName": "p", "nodeUID": "u", "providerID": "memory://vm-private"}
        owed = lab.record(IP1) | {"owed": [private]}
        await attack(lab, owed, restarted=restarted)
        assert lab.cloud.machine("vm-private").public_ip == ""
        assert lab.settled(IP1, "n1")
        assert private not in lab.record(IP1).get("owed", [])

    play(story)


@WHEN
def test_sec_08_an_address_that_is_not_listed_is_not_taken_off_its_node(*, restarted: bool) -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.add_node("n2")
        lab.allocate(IP1)
        lab.cloud.add_address(IP2)
        lab.cloud.assign(IP2, "vm-n2")
        await lab.until(lambda: lab.settled(IP1, "n1"), "it there", 30)
        on_n2 = record_to_wire(record(IP2, "n2"))
        await attack(lab, lab.record(IP1), on_n2, restarted=restarted)
        assert (lab.where(IP1), lab.where(IP2)) == ("n1", "n2")
        assert lab.record(IP2) == {}
        assert any(IP2 in said for said in lab.events("StatusNotBelieved"))

    play(story)


def test_sec_08_a_cloud_is_asked_about_no_mutation_that_a_status_invents() -> None:
    """A handle may be a URL, to which the cloud's credentials would go."""
    evil = "https://evil.example/operations/1"

    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: "handle" in lab.record(IP1), "a mutation under way", 30)
        assert lab.cloud.under_way
        await attack(lab, lab.record(IP1) | {"handle": evil}, restarted=True)
        asked = [call.params.get("0") for call in lab.cloud.faults.calls if call.op == "poll"]
        assert evil not in asked

    play(story, MemoryCloud(TWO_STEPS, operation_steps=100_000))


NONSENSE: tuple[Raw, ...] = (
    {"ip": IP1, "phase": "Bound", "since": "9999-12-31T23:59:59Z", "observedAt": "9999-12-31"},
    {"ip": IP1, "phase": "Verifying", "since": "0001-01-01T00:00:00+14:00"},
    {"ip": IP1, "phase": "Holding", "heldSince": "9999-12-31T23:59:59-14:00", "since": "x"},
    {"ip": IP1, "phase": "Bound", "attempts": -5, "nextAttempt": "9999-12-31T23:59:59Z"},
    {"ip": IP1, "phase": "Bound", "attempts": 2**63 - 1},
    {"ip": IP1, "phase": "x" * 1000, "reason": "y" * 1000, "message": "z" * 30_000},
    {"ip": "x" * 1000, "phase": "Bound", "nodeName": "n" * 250, "providerID": "p" * 2000},
    {"ip": IP1, "phase": 5},
    {"phase": "Bound"},
)


@WHEN
@pytest.mark.parametrize("entry", NONSENSE)
def test_sec_08_nonsense_holds_nothing_up(entry: Raw, *, restarted: bool) -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.add_node("n2")
        lab.allocate(IP1, IP2)
        await lab.until(lambda: len(lab.labelled()) == 2, "both there", 30)
        first = lab.where(IP1)
        await attack(lab, entry, restarted=restarted)
        assert {lab.record(ip)["phase"] for ip in (IP1, IP2)} == {"Bound"}
        assert lab.where(IP1) == first
        lab.cordon(first)
        lab.add_node("n3")
        await lab.until(lambda: lab.where(IP1) == "n3", "it to leave", 30)

    play(story)


def test_sec_08_ten_thousand_entries_are_gone_after_a_pass() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "it there", 30)
        flood = [{"ip": f"x{n}", "phase": "Bound", **FOREIGN} for n in range(10_000)]
        edit(lab, *flood, observedGeneration=-1)
        await lab.until(lambda: len(lab.status()["addresses"]) == 1, "order", 30)
        assert lab.settled(IP1, "n1")
        assert all(len(said) < 1000 for said in lab.events("StatusNotBelieved"))

    play(story)


def test_sec_08_who_keeps_writing_it_makes_one_event() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "it there", 30)
        for _ in range(5):
            edit(lab, ON_FOREIGN)
            await lab.world.pass_time(60)
        (said,) = lab.events("StatusNotBelieved")
        assert said == (
            f"not believed of the status: {IP1}: its entry was changed by somebody else; what we"
            " wrote counts"
        )

    play(story)


# What this controller wrote itself is believed after a restart.


def forget_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each controller that begins from now on has another key."""
    monkeypatch.setattr(controller, "OF_THIS_PROCESS", Seal(secrets.token_bytes(32)))


def test_sec_08_a_node_that_vanished_while_no_controller_ran_still_gives_its_address_up() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "it there", 30)
        await lab.world.kill()
        lab.server.delete(NODES, "n1")
        lab.add_node("n2")
        lab.world.begin()
        await lab.until(lambda: lab.settled(IP1, "n2"), "it to move", LONG_SECONDS)

    play(story)


def test_sec_08_an_address_taken_off_the_list_while_no_controller_ran_is_released() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.add_node("n2")
        lab.allocate(IP1, IP2)
        await lab.until(lambda: len(lab.labelled()) == 2, "both there", 30)
        await lab.world.kill()
        lab.server.patch(NETIPALLOCATIONS, NAME, {"spec": {"reservedIPs": [IP1]}})
        lab.world.begin()
        await lab.until(lambda: not lab.where(IP2), "the release", 60)

    play(story)


def test_sec_08_without_a_key_nothing_is_taken_on_the_word_of_an_old_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(lab: Lab) -> None:
        for name in ("n1", "n2", "n3"):
            lab.add_node(name)
        lab.allocate(IP1, IP2, IP3)
        await lab.until(lambda: len(lab.labelled()) == 3, "all there", 30)
        places = {ip: lab.where(ip) for ip in (IP1, IP2, IP3)}
        await lab.world.kill()
        forget_key(monkeypatch)
        lab.server.delete(NODES, places[IP1])
        lab.server.patch(NETIPALLOCATIONS, NAME, {"spec": {"reservedIPs": [IP1, IP3]}})
        lab.world.begin()
        await lab.world.pass_time(LONG_SECONDS)
        assert {ip: lab.where(ip) for ip in places} == places
        assert lab.record(IP1)["reason"] == "InUseByForeign"
        assert lab.record(IP3)["phase"] == "Bound"
        (said,) = lab.events("StatusNotBelieved")
        assert all(text in said for text in (IP1, IP2, "list it, and remove it again then"))

    play(story)


def test_sec_08_an_upgrade_from_a_version_without_seals_moves_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "it there", 30)
        await lab.world.kill()
        gone = ("seal", "owed")
        before = {name: value for name, value in lab.record(IP1).items() if name not in gone}
        edit(lab, before)
        forget_key(monkeypatch)
        events, changes = len(lab.events()), len(lab.cloud.faults.ops())
        lab.world.begin()
        await lab.world.pass_time(60)
        after = dict(lab.record(IP1))
        assert after.pop("seal")
        assert after == before
        assert len(lab.events()) == events
        assert set(lab.cloud.faults.ops(changes)) == {"snapshot"}

    play(story)


def test_sec_08_a_node_is_still_owed_its_address_after_a_restart() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "it there", 30)
        await lab.world.kill()
        assert lab.record(IP1)["owed"][0]["nodeName"] == "n1"
        lab.add_node("n2")
        lab.cordon("n1")
        lab.world.begin()
        await lab.until(lambda: lab.settled(IP1, "n2"), "it to move", 60)
        await lab.until(lambda: bool(lab.cloud.machine("vm-n1").public_ip), "n1's own", 60)
        holder = lab.cloud.holder(IP1)
        assert isinstance(holder, MachineHolder)

    play(story, MemoryCloud(TWO_STEPS))
