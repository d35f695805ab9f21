"""What happens in the demo, and what must be seen of it: the steps, as data.

was = the look before the step, now = the present look; A = first address, B = second.

step      what is done            what must be seen, all of it in one look
--------  ----------------------  --------------------------------------------------------------
bound     create the allocation   A, B on two nodes; status Bound; pods on these two
held      cordon A's node         status Holding; cloud as before, and not a call that changes it
drained   drain A's node          pods gone; A on another node, B as before; status; pods follow
failed    silence B's node        NotReady; B on another node, A as before; status; pods follow
released  delete the allocation   nobody has A or B; the object is gone; no node is labelled
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from e2e.demo.seen import Seen
from e2e.demo.world import World

# Given the look before the step and the present one.
Rule: TypeAlias = Callable[[Seen, Seen], bool]

A, B = 0, 1


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that must be seen.

    Attributes:
        name: where it is seen.
        what: what is seen there, in plain words.
        holds: whether a look shows it.
    """

    name: str
    what: str
    holds: Rule


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done, and what must come of it.

    Attributes:
        name: in one word.
        does: what is done, in plain words.
        act: does it, given the look before.
        moments: what must be seen.
        outcome: what came of it, in plain words.
        ended: what was begun by ``act`` has ended, too; raises ChildError if it failed.
        stays: all of it must stay so for a while.
    """

    name: str
    does: str
    act: Callable[[World, Seen], None]
    moments: tuple[Moment, ...]
    outcome: Callable[[Seen, Seen], str]
    ended: Callable[[World], bool] = lambda _: True
    stays: bool = False


def on_two_nodes(_: Seen, now: Seen) -> bool:
    """Each address is on a node of its own."""
    return all(now.holders) and len(set(now.holders)) == len(now.holders)


def settled(_: Seen, now: Seen) -> bool:
    """The status agrees with the cloud, and exactly the holders are labelled."""
    return all(a.agreed for a in now.addresses) and now.labelled == frozenset(now.holders)


def pods_follow(_: Seen, now: Seen) -> bool:
    """The workload runs on the nodes that have an address."""
    return frozenset(now.holders) <= now.busy


def untouched(was: Seen, now: Seen) -> bool:
    """Nothing changed in the cloud, nor was it asked to."""
    return now.holders == was.holders and now.changes == was.changes


def holding(was: Seen, now: Seen) -> bool:
    """The status says that A waits for the pods on its cordoned node, which run."""
    first = now.addresses[A]
    node = now.node(was.holders[A])
    return first.phase == "Holding" and first.node == node.name and node.cordoned and node.pods > 0


def pods_left(was: Seen, now: Seen) -> bool:
    """No pod of the workload runs on the node that had A."""
    return not now.node(was.holders[A]).pods


def not_ready(was: Seen, now: Seen) -> bool:
    """The node that had B is not Ready any more."""
    return now.node(was.holders[B]).ready != "True"


def moved(which: int) -> Rule:
    """One address is on another node, the others are where they were."""

    def holds(was: Seen, now: Seen) -> bool:
        pairs = enumerate(zip(was.holders, now.holders, strict=True))
        return on_two_nodes(was, now) and all(
            (old != new) == (number == which) for number, (old, new) in pairs
        )

    return holds


def once_moved(which: int, rule: Rule) -> Rule:
    """Something is so now that the address is on another node; before that it does not count."""
    return lambda was, now: moved(which)(was, now) and rule(was, now)


def free(_: Seen, now: Seen) -> bool:
    """Nobody has an address."""
    return not any(now.holders)


def gone(_: Seen, now: Seen) -> bool:
    """There is no NetIPAllocation."""
    return not now.exists


def unlabelled(_: Seen, now: Seen) -> bool:
    """No node says that it has an address."""
    return not now.labelled


def _where(_: Seen, now: Seen) -> str:
    return ", ".join(f"{a.ip} on {a.holder}" for a in now.addresses)


def _kept(was: Seen, now: Seen) -> str:
    first = now.addresses[A]
    return f"{first.ip} stays, {_asked(was, now)}: {first.message}"


def _went(which: int) -> Callable[[Seen, Seen], str]:
    return lambda was, now: (
        f"{now.addresses[which].ip} went from {was.holders[which]} to {now.holders[which]},"
        f" {_asked(was, now)}"
    )


def _asked(was: Seen, now: Seen) -> str:
    count = now.changes - was.changes
    return f"{count} change{'' if count == 1 else 's'} asked for"


CLOUD, STATUS = "cloud", "status"
_SETTLED = "every address Bound where the cloud has it, just these nodes labelled, no other owed"
_FOLLOWED = "the workload running on the addresses' nodes"


def _bound_anew(which: int) -> tuple[Moment, ...]:
    names = ("first", "second")
    return (
        Moment(CLOUD, f"the {names[which]} address on another node", moved(which)),
        Moment(STATUS, _SETTLED, once_moved(which, settled)),
        Moment("pods", _FOLLOWED, once_moved(which, pods_follow)),
    )


STEPS = (
    Step(
        "bound",
        "create a NetIPAllocation of two addresses",
        lambda world, _: world.allocate(),
        (
            Moment(CLOUD, "each address on a node of its own", on_two_nodes),
            Moment(STATUS, _SETTLED, settled),
            Moment("pods", _FOLLOWED, pods_follow),
        ),
        _where,
    ),
    Step(
        "held",
        "cordon the first address's node; its pods run on",
        lambda world, was: world.cordon(was.holders[A]),
        (
            Moment(CLOUD, "no change, and no call that asks for one", untouched),
            Moment(STATUS, "the first address Holding on its cordoned node", holding),
        ),
        _kept,
        stays=True,
    ),
    Step(
        "drained",
        "drain that node with kubectl",
        lambda world, was: world.drain(was.holders[A]),
        (
            Moment("evicted", "no pod of the workload on the drained node", pods_left),
            *_bound_anew(A),
        ),
        _went(A),
        ended=lambda world: world.drained,
    ),
    Step(
        "failed",
        "silence the kubelet of the second address's node",
        lambda world, was: world.silence(was.holders[B]),
        (
            Moment("NotReady", "the silent node not Ready", not_ready),
            *_bound_anew(B),
        ),
        _went(B),
    ),
    Step(
        "released",
        "delete the NetIPAllocation",
        lambda world, _: world.release(),
        (
            Moment(CLOUD, "no address on any node", free),
            Moment(STATUS, "the NetIPAllocation gone", gone),
            Moment("labels", "no node labelled", unlabelled),
        ),
        lambda _, now: f"nobody has {' or '.join(a.ip for a in now.addresses)}",
    ),
)
