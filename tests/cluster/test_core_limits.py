"""Who may edit allocations, and nothing else, steers the controller within its limits only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from core_lab import GROUP, CoreLab, Pool
from lab_policies import account_of, allowed_at_last

from moorage_testing.cluster import ApiError
from moorage_testing.cluster.api import Api
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
NAME = "allocation-editor"
ALLOWED = {"labels": {"allowed": "yes"}}

pytestmark = pytest.mark.usefixtures("limited", "alone")


@pytest.fixture(scope="module")
def limited(lab: CoreLab) -> Iterator[Child]:
    """A controller with limits that an administrator may set; what is not set is the default."""
    child = lab.started("", "--allow-regions", lab.emulator.region, "--allow-nodes", "allowed=yes")
    yield child
    assert child.stop() == 0, child.log_tail()


@pytest.fixture(scope="module")
def editor(lab: CoreLab) -> Api:
    """The API server for an account that may edit allocations, and nothing else."""
    rule = {
        "apiGroups": ["netinfra.darkbrains.com"],
        "resources": ["netipallocations"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    }
    return account_of(lab.cluster, NAME, rule)


def edit(editor: Api, name: str, **spec: object) -> None:
    """Change an allocation of the administrator's, by the editor's rights."""
    allowed_at_last(editor, f"{GROUP}/{name}", {"spec": spec})
    for path in (f"{GROUP}/{name}/status", "/api/v1/nodes/any"):
        with pytest.raises(ApiError) as refused:
            editor.request("PATCH", path, {"status": {}})
        assert refused.value.status == 403


def refused(lab: CoreLab, name: str, *words: str) -> None:
    """The allocation says that it asks for too much."""
    wait_for(
        lambda: lab.condition(name, "Ready").get("reason") == "InvalidSpec",
        PATIENCE,
        "the refusal",
    )
    message = lab.condition(name, "Ready")["message"]
    assert all(word in message for word in words), message


def works(lab: CoreLab, name: str) -> None:
    """The controller goes on: whatever it would have done for the one before, it had its time."""
    pool, (ip,) = lab.pool(1, **ALLOWED), lab.addresses(1)
    lab.wait_bound(lab.allocate(pool, [ip], name), ip)


def bound(lab: CoreLab) -> tuple[Pool, str, str]:
    """An allocation at rest: its pool of one node, its address and its name."""
    pool, (ip,) = lab.pool(1, **ALLOWED), lab.addresses(1)
    name = lab.allocate(pool, [ip])
    lab.wait_bound(name, ip)
    return pool, ip, name


def test_sec_01_an_editor_takes_no_taint_off_a_node(lab: CoreLab, editor: Api) -> None:
    pool, ip, name = bound(lab)
    (node,) = pool.names
    path = f"/api/v1/nodes/{node}"
    lab.cluster.request("PATCH", path, {"spec": {"taints": [CONTROL_PLANE]}})
    edit(editor, name, settledTaint=CONTROL_PLANE["key"])
    refused(lab, name, "spec.settledTaint", CONTROL_PLANE["key"], "--settled-taints")
    works(lab, "after")
    taints = lab.cluster.request("GET", path)["spec"]["taints"]
    assert [one["key"] for one in taints] == [CONTROL_PLANE["key"]]
    # Not even tried: the admission policy would have refused it, and the status said so.
    assert lab.record(name, ip)["reason"] == "Bound"
    assert lab.labelled(pool) == {node: ip.replace(".", "-")}


def test_sec_02_an_editor_takes_no_address_of_the_account(lab: CoreLab, editor: Api) -> None:
    pool, _, name = bound(lab)
    (theirs,) = lab.addresses(1)
    (stranger,) = lab.emulator.world.add_instances(1)
    lab.emulator.world.associate(theirs, stranger.id)
    lab.grow(pool, 1, **ALLOWED)
    edit(editor, name, reservedIPs=[theirs], foreignPolicy="Always")
    refused(lab, name, "spec.foreignPolicy", "Always", "--allow-foreign-policy")
    works(lab, "after")
    assert lab.where(pool, theirs) == stranger.id
    assert lab.associations([theirs]) == 0


def test_sec_02_an_editor_gives_no_address_to_any_node(lab: CoreLab, editor: Api) -> None:
    pool, (ip,) = lab.pool(1), lab.addresses(1)
    name = lab.allocate(pool, [], "greedy")
    edit(editor, name, reservedIPs=[ip])
    lab.wait_reason(name, ip, "NoEligibleNode")
    assert "allowed=yes (--allow-nodes)" in lab.record(name, ip)["message"]
    works(lab, "after")
    assert lab.associations([ip]) == 0


def test_sec_02_in_a_region_that_is_not_allowed_the_cloud_is_not_called(
    lab: CoreLab, editor: Api
) -> None:
    wait_for(lambda: not lab.cluster.request("GET", GROUP)["items"], PATIENCE, "nothing to read")
    since = len(lab.emulator.faults.calls)
    for region in ("mars-1", "us-east-1", ""):
        name = f"region-{region or 'none'}"
        spec = {"reservedIPs": ["203.0.113.9"], "cloud": {"provider": "aws", "region": region}}
        kind = {"apiVersion": "netinfra.darkbrains.com/v1alpha1", "kind": "NetIPAllocation"}
        editor.request("POST", GROUP, {**kind, "metadata": {"name": name}, "spec": spec})
        refused(lab, name, "spec.cloud.region", region or "is empty", "--allow-regions")
    assert lab.emulator.faults.ops(since) == ()
