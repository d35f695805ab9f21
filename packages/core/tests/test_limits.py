"""What the administrator's settings refuse to whoever may edit allocations, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from core_builders import IP1, IP2, allocation
from virtual_core import NAME, Lab, play

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core.limits import Limits
from moorage_core.model import ForeignPolicy
from moorage_core.settings import CoreSettings
from moorage_domain.label_selectors import Selector
from moorage_domain.ranges import parse_range
from moorage_kube.client.kinds import NODES
from moorage_testing.clouds.memory import TWO_STEPS, MemoryCloud
from moorage_testing.faults import Call

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
WHILE = 90.0
"""Seconds in which a controller that could be steered had done it many times."""
POOL_B = {"pool": "b"}


async def bound(lab: Lab, **spec: Any) -> None:
    """An address at rest on n1."""
    lab.add_node("n1")
    lab.allocate(IP1, **spec)
    await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 30)


async def refused(lab: Lab, *words: str) -> None:
    """The object says that it is invalid, in a message with these words."""
    reason = "InvalidSpec"
    await lab.until(lambda: lab.condition().get("reason") == reason, "the refusal", 30)
    for text in (lab.condition()["message"], *lab.events(reason)):
        assert all(word in text for word in words), text
    assert lab.condition("Degraded")["reason"] == reason
    assert lab.events(reason)


def asked(lab: Lab) -> list[Call]:
    """The cloud's calls that name anything; one that names nothing only gets a client ready."""
    return [call for call in lab.cloud.faults.calls if call.params]


def taints_of(lab: Lab, node: str) -> list[str]:
    return [one["key"] for one in lab.node(node)["spec"].get("taints") or ()]


def taint(lab: Lab, node: str, key: str) -> None:
    lab.server.patch(NODES, node, {"spec": {"taints": [{"key": key, "effect": "NoExecute"}]}})


# 1: taints.


@pytest.mark.parametrize(
    "key",
    [
        CONTROL_PLANE,
        "node.kubernetes.io/not-ready",
        "node.cloudprovider.kubernetes.io/uninitialized",
        "example.com/dedicated",
    ],
)
def test_sec_01_an_editor_takes_no_taint_off_that_is_not_listed(key: str) -> None:
    async def story(lab: Lab) -> None:
        await bound(lab)
        taint(lab, "n1", key)
        lab.edit(settledTaint=key)
        await refused(lab, "spec.settledTaint", key, "--settled-taints")
        await lab.world.pass_time(WHILE)
        assert taints_of(lab, "n1") == [key]
        # What it had is not taken from it.
        assert (lab.where(IP1), lab.labelled()) == ("n1", {"n1"})

    play(story)


@pytest.mark.parametrize("key", ["moorage.dev/address-pending", "kubeip.com/not-ready"])
def test_sec_01_what_our_documents_name_is_listed(key: str) -> None:
    async def story(lab: Lab) -> None:
        await bound(lab)
        taint(lab, "n1", key)
        lab.edit(settledTaint=key)
        await lab.until(lambda: taints_of(lab, "n1") == [], "the taint to go", 30)

    play(story)


def test_sec_01_the_administrator_lists_other_keys_and_then_no_others() -> None:
    async def story(lab: Lab) -> None:
        await bound(lab, settledTaint="kubeip.com/not-ready")

    async def other(lab: Lab) -> None:
        await bound(lab)
        taint(lab, "n1", CONTROL_PLANE)
        lab.edit(settledTaint=CONTROL_PLANE)
        await lab.until(lambda: taints_of(lab, "n1") == [], "the taint to go", 30)

    play(other, settled_taints=CONTROL_PLANE)
    with pytest.raises(AssertionError, match="only node-role"):
        play(story, settled_taints=CONTROL_PLANE)
    with pytest.raises(AssertionError, match="allows none"):
        play(story, settled_taints="")


def test_sec_01_a_corrected_spec_is_carried_out() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.allocate(IP1, settledTaint=CONTROL_PLANE)
        await refused(lab, CONTROL_PLANE)
        lab.edit(settledTaint="")
        await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 30)

    play(story)


# 2: what is called.


def outside(settings: dict[str, Any], words: Iterable[str], **spec: Any) -> list[str]:
    """The cloud's calls while an editor's allocation of an address asks for something outside.

    None of them names anything. The address is on a machine outside of the cluster, and stays.
    """
    calls: list[str] = []

    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.cloud.add_machine("stranger")
        lab.allocate(IP1, **spec)
        lab.cloud.assign(IP1, "stranger")
        await refused(lab, *words)
        await lab.world.pass_time(WHILE)
        assert lab.where(IP1) == "stranger"
        assert lab.labelled() == set()
        lab.delete()
        await lab.until(
            lambda: lab.server.find(NETIPALLOCATIONS, NAME) is None, "the object to go", 30
        )
        assert asked(lab) == []
        calls.extend(lab.cloud.faults.ops())

    play(story, **settings)
    return calls


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        (
            {"cloud": {"provider": "memory", "region": "mars-1"}},
            {"allow_regions": "eu-west-1, eu-west-3"},
            ("spec.cloud.region", "mars-1", "eu-west-1, eu-west-3", "--allow-regions"),
        ),
        (
            {"cloud": {"provider": "memory"}},
            {"allow_regions": "eu-west-1"},
            ("spec.cloud.region", "is empty", "eu-west-1", "--allow-regions"),
        ),
        (
            {"cloud": {"provider": "memory"}},
            {"allow_providers": "other"},
            ("spec.cloud.provider", "memory", "other", "--allow-providers"),
        ),
        (
            {},
            {"allow_addresses": "198.51.100.0/24,2001:db8::/64"},
            ("spec.reservedIPs", IP1, "198.51.100.0/24", "--allow-addresses"),
        ),
    ],
)
def test_sec_02_outside_what_is_allowed_no_cloud_is_called(
    spec: dict[str, Any], settings: dict[str, str], words: tuple[str, ...]
) -> None:
    calls = outside(settings, words, **spec)
    # Other addresses of the account may be asked for: a client gets ready for them.
    assert calls == [] or "allow_addresses" in settings


@pytest.mark.parametrize("policy", ["IfUnmanaged", "Always"])
def test_sec_02_an_editor_takes_no_address_of_a_machine_outside(policy: str) -> None:
    words = ("spec.foreignPolicy", policy, "Never", "--allow-foreign-policy")
    outside({}, words, foreignPolicy=policy)


def test_sec_02_the_administrator_lets_addresses_be_taken() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.cloud.add_machine("stranger")
        lab.allocate(IP1, foreignPolicy="IfUnmanaged")
        lab.cloud.assign(IP1, "stranger")
        await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be taken", 60)
        lab.edit(foreignPolicy="Always")
        await refused(lab, "Always", "Never, IfUnmanaged")

    play(story, allow_foreign_policy="IfUnmanaged")


def test_sec_02_of_two_addresses_the_allowed_one_is_served_and_the_other_never_named() -> None:
    async def story(lab: Lab) -> None:
        for name in ("n1", "n2"):
            lab.add_node(name)
        lab.allocate(IP1, IP2)
        await lab.until(lambda: lab.settled(IP1, "n1"), "the allowed one", 30)
        await lab.world.pass_time(WHILE)
        assert lab.where(IP2) == ""
        assert lab.record(IP2)["reason"] == "InvalidSpec"
        assert "--allow-addresses" in lab.record(IP2)["message"]
        assert all(IP2 not in call.params.values() for call in lab.cloud.faults.calls)

    play(story, allow_addresses=IP1)


def test_sec_02_nodes_outside_the_allowed_pools_get_no_address() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1", labels=POOL_B)
        lab.allocate(IP1, nodeSelector={})
        reason = "NoEligibleNode"
        await lab.until(lambda: lab.record(IP1).get("reason") == reason, "the reason", 30)
        assert "no node matches pool in (a,c) (--allow-nodes)" in lab.record(IP1)["message"]
        await lab.world.pass_time(WHILE)
        assert lab.where(IP1) == ""
        lab.edit(nodeSelector=POOL_B)
        await refused(lab, "spec.nodeSelector", "pool=b", "pool in (a,c)", "--allow-nodes")
        lab.add_node("n2")
        lab.edit(nodeSelector={"pool": None})
        await lab.until(lambda: lab.settled(IP1, "n2"), "a node of the pool", 30)

    play(story, allow_nodes="pool in (a,c)")


def test_sec_02_what_others_brought_to_a_node_outside_the_pools_stays_there() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1", labels=POOL_B)
        lab.add_node("n2")
        lab.allocate(IP1, nodeSelector={}, foreignPolicy="Always")
        lab.cloud.assign(IP1, "vm-n1")
        reason = "InUseByForeign"
        await lab.until(lambda: lab.record(IP1).get("reason") == reason, "the reason", 30)
        message = "node n1 has it, and does not match --allow-nodes pool=a"
        assert lab.record(IP1)["message"] == message
        await lab.world.pass_time(WHILE)
        assert (lab.where(IP1), lab.labelled()) == ("n1", set())

    play(story, allow_nodes="pool=a", allow_foreign_policy="Always")


def test_sec_02_a_node_that_leaves_the_allowed_pools_gives_its_address_up() -> None:
    async def story(lab: Lab) -> None:
        await bound(lab)
        lab.add_node("n2")
        lab.server.patch(NODES, "n1", {"metadata": {"labels": POOL_B}})
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 60)

    play(story, allow_nodes="pool=a")


def test_sec_02_a_move_that_has_begun_ends_although_the_spec_was_spoiled_meanwhile() -> None:
    cloud = MemoryCloud(TWO_STEPS, operation_steps=3, latency_seconds=0.1)

    async def story(lab: Lab) -> None:
        await bound(lab)
        lab.add_node("n2")
        lab.cordon("n1")
        await lab.until(lambda: lab.where(IP1) == "", "the first step", 30)
        lab.edit(foreignPolicy="Always")
        await lab.until(lambda: lab.where(IP1) == "n2", "the second step", 30)
        await refused(lab, "--allow-foreign-policy")
        since = len(asked(lab))
        await lab.world.pass_time(WHILE)
        assert len(asked(lab)) == since
        lab.edit(foreignPolicy="Never")
        await lab.until(lambda: lab.settled(IP1, "n2"), "the status to say so", 60)

    play(story, cloud)


# The settings.


def test_without_a_setting_all_is_allowed_but_to_take_addresses_from_others() -> None:
    limits = CoreSettings.model_validate({}).limits()
    asked = allocation(IP1, region="anywhere")
    assert limits.applied_to(asked) == asked
    assert limits.why_not_address(IP1) == ""
    assert limits.foreign_policy is ForeignPolicy.NEVER


@pytest.mark.parametrize("ip", ["203.0.113.8", "203.0.113.15", "2001:db8::1"])
def test_addresses_inside_a_range_are_allowed(ip: str) -> None:
    limits = Limits(addresses=(parse_range("203.0.113.8/29"), parse_range("2001:db8::/64")))
    assert limits.why_not_address(ip) == ""


@pytest.mark.parametrize("ip", ["203.0.113.7", "203.0.113.16", "2001:db8:0:1::", "::203", "no"])
def test_addresses_outside_every_range_are_not(ip: str) -> None:
    limits = Limits(addresses=(parse_range("203.0.113.8/29"), parse_range("2001:db8::/64")))
    assert limits.why_not_address(ip) == (
        f"spec.reservedIPs asks for {ip}, and the administrator allows only 203.0.113.8/29,"
        " 2001:db8::/64 (--allow-addresses): change the field, or have that setting changed"
    )


def test_what_is_not_allowed_is_taken_out_of_the_allocation() -> None:
    limits = Limits(settled_taints=("a/b",), nodes=Selector.parse("pool"))
    asked = allocation(IP1, foreign=ForeignPolicy.ALWAYS, settled_taint="c/d", problem="first")
    allowed = limits.applied_to(asked)
    assert (allowed.foreign, allowed.settled_taint) == (ForeignPolicy.NEVER, "")
    assert (allowed.allowed_nodes, allowed.problem) == (Selector.parse("pool"), "first")
