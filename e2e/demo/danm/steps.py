"""The steps of the demo, as data: what is done, and what must be observed.

was = the observation before the step, now = the present one.

step     what is done               what one observation must show
-------  -------------------------  -----------------------------------------------------------
created  a Deployment               one pod runs with the address; endpoint and bit say so
ill      its node is not ready      a replacement waits; endpoint and bit stay as they are
well     the node is ready again    the old pod is gone; the replacement runs with the address
dead     its node loses power       Ready is Unknown; a replacement waits; nothing is freed
fenced   the taint out-of-service   the replacement runs with the address; one endpoint has it
"""

from __future__ import annotations

from e2e.demo.danm.installation import Installation
from e2e.demo.danm.manifests import ADDRESS
from e2e.demo.danm.observed import Observed
from e2e.demo.step import Moment, Step


def node_of(was: Observed) -> str:
    """The node whose pod has the address."""
    (pod,) = was.running
    return pod.node


def runs(_: Observed, now: Observed) -> bool:
    """One pod runs with it, and nobody waits."""
    return len(now.running) == 1 and not now.waiting


def held_by_it(_: Observed, now: Observed) -> bool:
    """The one endpoint that has the address is that of the pod that runs."""
    return list(now.holders.values()) == [pod.name for pod in now.running] and now.in_use


def untouched(was: Observed, now: Observed) -> bool:
    """The endpoint and the bit are as they were."""
    return now.holders == was.holders and now.in_use


def replaced(was: Observed, now: Observed) -> bool:
    """Another pod waits for the address."""
    before = {pod.name for pod in was.pods}
    return [pod.name in before for pod in now.waiting] == [False]


def elsewhere(was: Observed, now: Observed) -> bool:
    """Another pod than before runs with it."""
    return runs(was, now) and now.running[0].name not in {pod.name for pod in was.running}


def _runs_there(_: Observed, now: Observed) -> str:
    (pod,) = now.running
    return f"{pod.name} runs on {pod.node} with {ADDRESS}"


def _waits(_: Observed, now: Observed) -> str:
    (pod,) = now.waiting
    return f"{pod.name} waits on {pod.node}; {ADDRESS} is not freed"


_RUNS = Moment("pod", "one pod that runs with the address", runs)
_HELD = Moment("danm", "endpoint and bit of that pod", held_by_it)
_WAITS = Moment("pod", "a replacement that waits", replaced)
_KEPT = Moment("danm", "endpoint and bit as they were", untouched)
_MOVED = Moment("pod", "the replacement, with the address", elsewhere)


def _node_is(status: str) -> Moment[Observed]:
    return Moment(
        "node", f"a node with Ready={status}", lambda _, now: status in now.nodes.values()
    )


STEPS: tuple[Step[Installation, Observed], ...] = (
    Step(
        "created",
        f"create a Deployment whose pod asks for {ADDRESS}",
        lambda installation, _: installation.create(),
        (_RUNS, _HELD),
        _runs_there,
    ),
    Step(
        "ill",
        "its node says that it is not ready; its kubelet still talks",
        lambda installation, was: installation.make_ill(node_of(was)),
        (_node_is("False"), _WAITS, _KEPT),
        _waits,
        stays=True,
    ),
    Step(
        "well",
        "the node is ready again",
        lambda installation, was: installation.make_well(_not_ready(was)),
        (_MOVED, _HELD),
        _runs_there,
    ),
    Step(
        "dead",
        "the node of the replacement loses power",
        lambda installation, was: installation.cut_power(node_of(was)),
        (_node_is("Unknown"), _WAITS, _KEPT),
        _waits,
        stays=True,
    ),
    Step(
        "fenced",
        "somebody puts the taint out-of-service on that node",
        lambda installation, was: installation.fence(_not_ready(was)),
        (_MOVED, _HELD),
        _runs_there,
    ),
)


def _not_ready(was: Observed) -> str:
    return next(name for name, ready in was.nodes.items() if ready != "True")
