"""The steps of the demo, as data: what is done, and what must be observed.

was = the observation before the step, now = the present one; A = first address, B = second.

step      what is done            what one observation must show
--------  ----------------------  --------------------------------------------------------------
bound     create the allocation   A, B on two nodes; status Bound; pods on these two
held      cordon A's node         status Holding; cloud as before, and not a call that changes it
drained   drain A's node          pods gone; A on another node, B as before; status; pods follow
failed    silence B's node        NotReady; B on another node, A as before; status; pods follow
released  delete the allocation   nobody has A or B; the object is gone; no node is labelled
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from e2e.demo.core.installation import Installation
from e2e.demo.core.observed import Observed
from e2e.demo.step import Moment, Step

# Takes the observation before the step and the present one.
Rule: TypeAlias = Callable[[Observed, Observed], bool]

A, B = 0, 1


def on_two_nodes(_: Observed, now: Observed) -> bool:
    """The addresses are on different nodes."""
    return all(now.holders) and len(set(now.holders)) == len(now.holders)


def settled(_: Observed, now: Observed) -> bool:
    """The status agrees with the cloud, and exactly the holders are labelled."""
    return all(a.agreed for a in now.addresses) and now.labelled == frozenset(now.holders)


def pods_follow(_: Observed, now: Observed) -> bool:
    """The workload runs on the nodes that have an address."""
    return frozenset(now.holders) <= now.busy


def untouched(was: Observed, now: Observed) -> bool:
    """Nothing changed in the cloud, and no change was requested."""
    return now.holders == was.holders and now.changes == was.changes


def holding(was: Observed, now: Observed) -> bool:
    """The status says that A waits for the pods on its cordoned node, which still run."""
    first = now.addresses[A]
    node = now.node(was.holders[A])
    return first.phase == "Holding" and first.node == node.name and node.cordoned and node.pods > 0


def pods_left(was: Observed, now: Observed) -> bool:
    """No pod of the workload runs on the node that had A."""
    return not now.node(was.holders[A]).pods


def not_ready(was: Observed, now: Observed) -> bool:
    """The node that had B is not Ready any more."""
    return now.node(was.holders[B]).ready != "True"


def moved(which: int) -> Rule:
    """One address is on another node, the others are where they were."""

    def holds(was: Observed, now: Observed) -> bool:
        pairs = enumerate(zip(was.holders, now.holders, strict=True))
        return on_two_nodes(was, now) and all(
            (old != new) == (number == which) for number, (old, new) in pairs
        )

    return holds


def once_moved(which: int, rule: Rule) -> Rule:
    """A rule that counts only once the address is on another node."""
    return lambda was, now: moved(which)(was, now) and rule(was, now)


def free(_: Observed, now: Observed) -> bool:
    """Nobody has an address."""
    return not any(now.holders)


def gone(_: Observed, now: Observed) -> bool:
    """There is no NetIPAllocation."""
    return not now.exists


def unlabelled(_: Observed, now: Observed) -> bool:
    """No node has the label of an address."""
    return not now.labelled


def _where(_: Observed, now: Observed) -> str:
    return ", ".join(f"{a.ip} on {a.holder}" for a in now.addresses)


def _kept(was: Observed, now: Observed) -> str:
    first = now.addresses[A]
    return f"{first.ip} stays, {_asked(was, now)}: {first.message}"


def _went(which: int) -> Callable[[Observed, Observed], str]:
    return lambda was, now: (
        f"{now.addresses[which].ip} went from {was.holders[which]} to {now.holders[which]},"
        f" {_asked(was, now)}"
    )


def _asked(was: Observed, now: Observed) -> str:
    count = now.changes - was.changes
    return f"{count} change{'' if count == 1 else 's'} asked for"


CLOUD, STATUS = "cloud", "status"
_SETTLED = "every address Bound where the cloud has it, just these nodes labelled, no other owed"
_FOLLOWED = "the workload running on the addresses' nodes"


def _bound_anew(which: int) -> tuple[Moment[Observed], ...]:
    names = ("first", "second")
    return (
        Moment(CLOUD, f"the {names[which]} address on another node", moved(which)),
        Moment(STATUS, _SETTLED, once_moved(which, settled)),
        Moment("pods", _FOLLOWED, once_moved(which, pods_follow)),
    )


STEPS: tuple[Step[Installation, Observed], ...] = (
    Step(
        "bound",
        "create a NetIPAllocation of two addresses",
        lambda installation, _: installation.allocate(),
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
        lambda installation, was: installation.cordon(was.holders[A]),
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
        lambda installation, was: installation.drain(was.holders[A]),
        (
            Moment("evicted", "no pod of the workload on the drained node", pods_left),
            *_bound_anew(A),
        ),
        _went(A),
        ended=lambda installation: installation.drained,
    ),
    Step(
        "failed",
        "silence the kubelet of the second address's node",
        lambda installation, was: installation.silence(was.holders[B]),
        (
            Moment("NotReady", "the silent node not Ready", not_ready),
            *_bound_anew(B),
        ),
        _went(B),
    ),
    Step(
        "released",
        "delete the NetIPAllocation",
        lambda installation, _: installation.release(),
        (
            Moment(CLOUD, "no address on any node", free),
            Moment(STATUS, "the NetIPAllocation gone", gone),
            Moment("labels", "no node labelled", unlabelled),
        ),
        lambda _, now: f"nobody has {' or '.join(a.ip for a in now.addresses)}",
    ),
)
