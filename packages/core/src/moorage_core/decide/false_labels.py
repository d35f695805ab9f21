"""What happens to a node that says it holds an address, which no allocation has recorded there.

the node                                       then
---------------------------------------------  ----------------------------------------------
says so since a moment                         wait: our own write of a record may be under way
every allocation is a dry run                  leave it alone: nobody asked for a change
names no machine                               take its labels off
names the machine of a node with an address    take its labels off
is on a machine that the cloud shows with one  wait: the address's allocation will record it
not that, and all that is held is known        take its labels off
anything is unknown                            ask the cloud for its machine
machine has no address of an allocation        take its labels off
machine has one, or cannot be read             wait
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from moorage_core import reasons
from moorage_core.actions import AskMachine, UnlabelNode
from moorage_domain.nodes import Node
from moorage_domain.plans import Plan, first_match

NodePlan: TypeAlias = Plan[UnlabelNode | AskMachine]

NOW = timedelta(0)
MOMENT = timedelta(seconds=5)
AGAIN = timedelta(seconds=15)
"""Less than the interval in which allocations are read: no false label lasts longer than that."""


@dataclass(frozen=True, slots=True)
class LabelledNode:
    """A node with a label of ours or an owner, to which no record leads.

    Attributes:
        node: the node.
        for_seconds: for how long it has been so, as this process has seen it.
        dry_run: there are allocations, and each of them is a dry run.
        beside: the node with an address of an allocation that has the same machine, ``""`` = none.
        held: the cloud shows an address of an allocation on its machine.
        all_known: every allocation has said what it holds, and every address was read.
        asked: the cloud was asked for the machine a moment ago.
        machine_has_one: what came of it; ``None`` = it is not known.
    """

    node: Node
    for_seconds: float
    dry_run: bool = False
    beside: str = ""
    held: bool = False
    all_known: bool = False
    asked: bool = False
    machine_has_one: bool | None = None


def decide(observed: LabelledNode) -> NodePlan:
    """Take the labels off once it is certain that they are false: unknown is never absent."""
    return first_match(RULES, observed)


def wait_a_moment(observed: LabelledNode) -> NodePlan | None:
    """A node that is labelled at this moment may have its record written at this moment, too."""
    left = MOMENT - timedelta(seconds=observed.for_seconds)
    return _wait("no allocation has recorded an address there", left) if left > NOW else None


def wait_in_dry_run(observed: LabelledNode) -> NodePlan | None:
    """So another controller is taken over from, whose labels these may be."""
    return _wait("every allocation is a dry run", AGAIN) if observed.dry_run else None


def unlabel_without_machine(observed: LabelledNode) -> NodePlan | None:
    """No address can be on a node that names no machine."""
    why = "it has no providerID, so it is no cloud's machine"
    return None if observed.node.provider_id else _take_off(observed, why)


def unlabel_beside_its_holder(observed: LabelledNode) -> NodePlan | None:
    """What its machine holds is the other node's."""
    why = f"it names the machine of node {observed.beside}, which has the address"
    return _take_off(observed, why) if observed.beside else None


def wait_while_held(observed: LabelledNode) -> NodePlan | None:
    """The address's allocation will record it there."""
    return _wait("the cloud shows one on its machine", AGAIN) if observed.held else None


def unlabel_where_all_is_known(observed: LabelledNode) -> NodePlan | None:
    """Every address is known to be somewhere else, or nowhere."""
    why = "no allocation has an address there"
    return _take_off(observed, why) if observed.all_known else None


def ask_machine(observed: LabelledNode) -> NodePlan | None:
    """One allocation that cannot be read, or is broken, must not keep false labels on all nodes."""
    if observed.asked:
        return None
    plan = _wait("not every address can be read, so its machine is", NOW)
    return replace(plan, actions=(AskMachine(observed.node),))


def unlabel_where_machine_has_none(observed: LabelledNode) -> NodePlan | None:
    """The machine itself says so."""
    why = "its machine has no address of an allocation"
    return _take_off(observed, why) if observed.machine_has_one is False else None


def wait_until_known(observed: LabelledNode) -> NodePlan:
    """Unknown is never absent."""
    has_one = "has an address of an allocation" if observed.machine_has_one else "cannot be read"
    return _wait(f"its machine {has_one}", AGAIN)


RULES = (
    wait_a_moment,
    wait_in_dry_run,
    unlabel_without_machine,
    unlabel_beside_its_holder,
    wait_while_held,
    unlabel_where_all_is_known,
    ask_machine,
    unlabel_where_machine_has_none,
    wait_until_known,
)


def _take_off(observed: LabelledNode, why: str) -> NodePlan:
    message = f"the labels that say the node holds an address are taken off: {why}"
    return Plan(reasons.FALSE_LABELS.name, message, (UnlabelNode(observed.node),), AGAIN)


def _wait(why: str, wait: timedelta) -> NodePlan:
    message = f"labels say that the node holds an address, and stay for now: {why}"
    return Plan(reasons.DOUBTFUL_LABELS.name, message, wait=wait)
