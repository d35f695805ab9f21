"""The steps of the demo, as data: what is done, and what must be observed.

was = the observation before the step, now = the present one. In each the client is never answered
by two nodes.

step      what is done                 what one observation must show
--------  ---------------------------  -----------------------------------------------------------
served    a Service                    it has an address; claim, kernel and client name one node
killed    SIGKILL to its agent         the kernel let go; claim, kernel and client name another one
back      the agent starts again       it is live; the address stays where it is
drained   cordon, SIGTERM to an agent  the agent has ended; all name another node
released  delete the Service           no claim; no kernel has the address; nobody answers
"""

from __future__ import annotations

from e2e.demo.external_ip.installation import NODES, Installation
from e2e.demo.external_ip.observed import Observed
from e2e.demo.step import Moment, Step


def claim_moved(was: Observed, now: Observed) -> bool:
    """The claim names another node, which says that it has the address."""
    return bool(now.settled) and now.settled != was.holder


def kernel_moved(_: Observed, now: Observed) -> bool:
    """The node that the claim names has it, and no other."""
    return bool(now.holder) and now.kernels == {now.holder}


def client_moved(_: Observed, now: Observed) -> bool:
    """The node that the claim names answers, and is reached."""
    return now.client.answered_by == {now.holder} and now.client.reached == now.holder


def _moved(was: Observed, now: Observed) -> str:
    return (
        f"{now.address} went from {was.holder} to {now.holder};"
        f" the client had no answer for {now.client.silence:.1f} s, and never two"
    )


_ONCE: Moment[Observed] = Moment(
    "once", "never two that answer", lambda _, now: not now.client.doubled
)
_EVERYWHERE: tuple[Moment[Observed], ...] = (
    Moment("claim", "a node that says that it has the address", claim_moved),
    Moment("kernel", "the address in that node's kernel and no other", kernel_moved),
    Moment("client", "the client answered by that node", client_moved),
    _ONCE,
)

STEPS: tuple[Step[Installation, Observed], ...] = (
    Step(
        "served",
        "create a Service of type LoadBalancer",
        lambda installation, _: installation.expose(),
        (
            Moment("Service", "an address in its status", lambda _, now: bool(now.address)),
            *_EVERYWHERE,
        ),
        lambda _, now: f"{now.address} is on {now.holder}, and the client is answered by it",
    ),
    Step(
        "killed",
        "SIGKILL to the agent of its node",
        lambda installation, was: installation.kill_agent(was.holder),
        _EVERYWHERE,
        _moved,
    ),
    Step(
        "back",
        "start that agent again",
        lambda installation, _: installation.start_agents(),
        (
            Moment("live", "all nodes live", lambda _, now: now.live == set(NODES)),
            Moment("claim", "the same node", lambda was, now: now.settled == was.holder),
            *_EVERYWHERE[1:],
        ),
        lambda _, now: f"{now.address} stays on {now.holder}",
        stays=True,
    ),
    Step(
        "drained",
        "kubectl cordon, and SIGTERM to the agent, as when a node is shut down",
        lambda installation, was: installation.drain(was.holder),
        (
            *_EVERYWHERE,
            Moment("agent", "it has ended", lambda was, now: was.holder not in now.agents),
        ),
        _moved,
    ),
    Step(
        "released",
        "delete the Service",
        lambda installation, _: installation.unexpose(),
        (
            Moment("claim", "none", lambda _, now: not now.claims),
            Moment("kernel", "the address nowhere", lambda _, now: not now.kernels),
            Moment("client", "no answer", lambda _, now: not now.client.answered_by),
            _ONCE,
        ),
        lambda was, _: f"nobody has {was.address}",
    ),
)
