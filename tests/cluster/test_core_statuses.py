"""Who may write statuses of allocations, and nothing else, moves no address by what it writes."""

from __future__ import annotations

from typing import Any

import pytest
from core_lab import GROUP, CoreLab
from lab_policies import account_of, allowed_at_last

from moorage_testing.clouds.control import changes
from moorage_testing.cluster import ApiError
from moorage_testing.cluster.api import Api
from moorage_testing.waiting import PATIENCE, wait_for

NAME = "status-editor"
FOREIGN = {"nodeName": "elsewhere", "nodeUID": "uid-elsewhere"}

pytestmark = pytest.mark.usefixtures("core", "alone")


@pytest.fixture(scope="module")
def editor(lab: CoreLab) -> Api:
    """The API server for an account that may write statuses of allocations, and nothing else."""
    rule = {
        "apiGroups": ["netinfra.darkbrains.com"],
        "resources": ["netipallocations/status"],
        "verbs": ["get", "update", "patch"],
    }
    return account_of(lab.cluster, NAME, rule)


def write(editor: Api, name: str, *entries: dict[str, Any]) -> None:
    """Replace the entries of all addresses in a status, by the editor's rights."""
    allowed_at_last(editor, f"{GROUP}/{name}/status", {"status": {"addresses": list(entries)}})
    with pytest.raises(ApiError) as refused:
        editor.request("PATCH", f"{GROUP}/{name}", {"spec": {"foreignPolicy": "Always"}})
    assert refused.value.status == 403


def not_believed(lab: CoreLab, name: str, word: str) -> None:
    """An Event says that the controller does not believe it, and of what."""
    wait_for(
        lambda: any(
            word in message for reason, message in lab.events(name) if reason == "StatusNotBelieved"
        ),
        PATIENCE,
        "the Event",
    )


def test_sec_08_an_editor_of_statuses_takes_no_address_of_the_account(
    lab: CoreLab, editor: Api
) -> None:
    """The policy is Never, and the status says that the address was ours."""
    pool, (ours, theirs) = lab.pool(2), lab.addresses(2)
    (stranger,) = lab.emulator.world.add_instances(1)
    lab.emulator.world.associate(theirs, stranger.id)
    name = lab.allocate(pool, [ours, theirs])
    lab.wait_bound(name, ours)
    lab.wait_reason(name, theirs, "InUseByForeign")
    true, place = lab.record(name, ours), {**FOREIGN, "providerID": stranger.provider_id}
    write(editor, name, true, {"ip": theirs, "phase": "Bound", "reason": "Bound", **place})
    not_believed(lab, name, theirs)
    lab.wait_reason(name, theirs, "InUseByForeign")
    lab.delete(name)
    wait_for(lambda: lab.gone(name), PATIENCE, "the allocation to be gone")
    assert lab.where(pool, theirs) == stranger.id


def test_sec_08_an_editor_of_statuses_gives_no_address_to_a_machine_without(
    lab: CoreLab, editor: Api
) -> None:
    """A machine that is named as owed an address was never in the pool."""
    pool, (ip,) = lab.pool(1), lab.addresses(1)
    (private,) = lab.emulator.world.add_instances(1, with_public_ip=False)
    name = lab.allocate(pool, [ip])
    node = lab.wait_bound(name, ip)
    owed = {**FOREIGN, "providerID": private.provider_id}
    write(editor, name, lab.record(name, ip) | {"owed": [owed]})

    def undone() -> bool:
        return owed not in lab.record(name, ip).get("owed", [])

    wait_for(undone, PATIENCE, "the true entry to be back")
    lab.cordon(node)
    lab.grow(pool, 1)
    lab.wait_bound(name, ip, pool.names[-1])
    named = [
        call.op
        for call in lab.emulator.faults.calls
        if {private.id, private.interface_id} & set(map(str, call.params.values()))
    ]
    assert not [op for op in named if changes(op)]


def test_sec_08_an_editor_of_statuses_has_nothing_taken_off_a_node(
    lab: CoreLab, editor: Api
) -> None:
    """An address that no allocation lists is not released because a status names it."""
    pool, (ip, other) = lab.pool(1), lab.addresses(2)
    ((bystander, instance),) = lab.pool(1).machines.items()
    node = lab.cluster.request("GET", f"/api/v1/nodes/{bystander}")
    lab.emulator.world.associate(other, instance)
    name = lab.allocate(pool, [ip])
    lab.wait_bound(name, ip)
    place = {
        "nodeName": bystander,
        "nodeUID": node["metadata"]["uid"],
        "providerID": node["spec"]["providerID"],
    }
    write(editor, name, lab.record(name, ip), {"ip": other, "phase": "Bound", **place})
    not_believed(lab, name, other)
    wait_for(lambda: lab.record(name, other) == {}, PATIENCE, "the entry to be gone")
    assert lab.emulator.world.holder(other) == instance
