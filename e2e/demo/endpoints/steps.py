"""The steps of the demo, as data: what is done, and what must be observed.

was = the observation before the step, now = the present one. From handover to protected the
Service has no selector, no slice of Kubernetes has an address of it, and the reader sees ours;
until replaced no Event warns of it, and the net-attach-def is held.

step       what is done                  what one observation must show
---------  ----------------------------  -------------------------------------------------------
served     Deployment, Service           slices of Kubernetes with 3 addresses; the network is held
handover   annotate the Service          3 in ours, none in theirs; the reader saw 3 or more always
unready    a pod is not ready            2 in ours, and seen
back       it is ready                   3 in ours, and seen
replaced   delete a pod                  3 in ours, one of them new; the reader saw 2 or more always
protected  delete the net-attach-def     it is being deleted and held, HeldByPods is told; 3 in ours
let-go     no pods any more              no net-attach-def, no address in any slice
"""

from __future__ import annotations

from e2e.demo.endpoints.installation import Installation
from e2e.demo.endpoints.manifests import PODS
from e2e.demo.endpoints.observed import Network, Observed, Service, View
from e2e.demo.step import Moment, Step
from moorage_endpoints import reasons
from moorage_endpoints.nads.reasons import HELD_BY_PODS

_SERVICE, _NETWORK = "Service", "NetworkAttachmentDefinition"
_HANDED_OVER = Service(selector=False, kept=True)
_HELD = Network(there=True, held=True)
_HELD_WHILE_DELETED = Network(there=True, held=True, leaving=True)


def all_ready(_: Observed, now: Observed) -> bool:
    """So many pods as there shall be, all ready, with two addresses each."""
    complete = all(pod.default and pod.secondary for pod in now.pods)
    return complete and len(now.pods) == len(now.ready) == PODS


def by_default(now: Observed) -> View:
    """Slices of a Service as Kubernetes serves it."""
    return View(default=now.default)


def handed_over(now: Observed) -> View:
    """Slices of a Service that was handed over."""
    return View(secondary=now.secondary)


def synced(_: Observed, now: Observed) -> bool:
    """An Event says that it leads to secondary addresses, and none warns."""
    warned = [one for one in now.events if one.kind == _SERVICE and one.type == "Warning"]
    return reasons.SYNCED.name in now.reasons(_SERVICE) and not warned


def stayed(_: Observed, now: Observed) -> bool:
    """It is handed over, and nobody but us has an address of it."""
    return now.service == _HANDED_OVER and not now.slices.default


def undisturbed(was: Observed, now: Observed) -> bool:
    """All but its addresses is as it was."""
    return stayed(was, now) and synced(was, now) and now.network == _HELD


def replaced(was: Observed, now: Observed) -> bool:
    """The first pod is gone, and there is one with a new address."""
    old = {pod.name for pod in was.pods}
    fresh = [pod for pod in now.pods if pod.name not in old]
    gone = was.pods[0].name not in {pod.name for pod in now.pods}
    addresses = {pod.secondary for pod in was.pods}
    return gone and all_ready(was, now) and [one.secondary in addresses for one in fresh] == [False]


def _network_is(wanted: Network) -> Moment[Observed]:
    return Moment("network", f"net-attach-def {wanted}", lambda _, now: now.network == wanted)


def _reader(least: int) -> Moment[Observed]:
    """The reader sees exactly our addresses, and saw no fewer than that meanwhile."""
    return Moment(
        "reader",
        f"the same addresses, and never fewer than {least}",
        lambda _, now: now.views[-1] == handed_over(now) and now.fewest >= least,
    )


def _events(kind: str, reason: str) -> Moment[Observed]:
    return Moment("Events", f"{reason} of the {kind}", lambda _, now: reason in now.reasons(kind))


_READY = Moment("pods", f"{PODS} ready pods, in both networks", all_ready)
_TAKEN: Moment[Observed] = Moment(
    "Service", "no selector, but one that is kept", lambda _, now: now.service == _HANDED_OVER
)
_THEIRS: Moment[Observed] = Moment(
    "kubernetes", "no address in slices of Kubernetes", lambda _, now: not now.slices.default
)
_OURS: Moment[Observed] = Moment(
    "ours",
    "the secondary addresses of the ready pods",
    lambda _, now: now.slices.secondary == now.secondary,
)
_SYNCED = Moment("Events", f"{reasons.SYNCED.name}, and no Warning of the Service", synced)
_STAYED: Moment[Observed] = Moment(
    "Service", "no selector, and no address in slices of Kubernetes", stayed
)
_REST: Moment[Observed] = Moment(
    "rest", "Service, slices of Kubernetes, net-attach-def and Events as before", undisturbed
)


def _leads_to(now: Observed) -> str:
    return ", ".join(sorted(now.slices.secondary))


def _unready(was: Observed) -> str:
    return next(pod.name for pod in was.pods if not pod.ready)


def _told_handover(_: Observed, now: Observed) -> str:
    return (
        f"it leads to {_leads_to(now)};"
        f" a reader of all slices never saw fewer than {now.fewest} addresses"
    )


def _told_replaced(was: Observed, now: Observed) -> str:
    gone, come = was.secondary - now.secondary, now.secondary - was.secondary
    return (
        f"{', '.join(come)} in place of {', '.join(gone)};"
        f" the reader never saw fewer than {now.fewest}"
    )


STEPS: tuple[Step[Installation, Observed], ...] = (
    Step(
        "served",
        "create a Deployment of three pods, and a Service with a selector",
        lambda installation, _: installation.serve(),
        (
            _READY,
            Moment("Service", "its selector", lambda _, now: now.service == Service(selector=True)),
            Moment(
                "kubernetes",
                "the default addresses of the pods",
                lambda _, now: now.slices.default == now.default,
            ),
            Moment("ours", "no slices of ours", lambda _, now: not now.slices.secondary),
            _network_is(_HELD),
            Moment("Events", "none of the Service", lambda _, now: not now.reasons(_SERVICE)),
            Moment("reader", "the same", lambda _, now: now.views[-1] == by_default(now)),
        ),
        lambda _, now: f"it leads to {', '.join(sorted(now.slices.default))}, by Kubernetes",
    ),
    Step(
        "handover",
        "annotate the Service with the network storage, and the mode handover",
        lambda installation, _: installation.hand_over(),
        (_READY, _TAKEN, _THEIRS, _OURS, _network_is(_HELD), _SYNCED, _reader(PODS)),
        _told_handover,
    ),
    Step(
        "unready",
        "a pod becomes unready",
        lambda installation, was: installation.make_ready(was.pods[0].name, ready=False),
        (
            Moment("pods", "one that is not ready", lambda _, now: len(now.ready) == PODS - 1),
            _OURS,
            _REST,
            _reader(PODS - 1),
        ),
        lambda was, now: f"{was.pods[0].secondary} is not ready; it leads to {_leads_to(now)}",
    ),
    Step(
        "back",
        "the pod becomes ready",
        lambda installation, was: installation.make_ready(_unready(was), ready=True),
        (_READY, _OURS, _REST, _reader(PODS - 1)),
        lambda _, now: f"it leads to {_leads_to(now)}",
    ),
    Step(
        "replaced",
        "delete a pod: its Deployment makes another one",
        lambda installation, was: installation.delete_pod(was.pods[0].name),
        (
            Moment("pods", "another one with another address", replaced),
            _OURS,
            _REST,
            _reader(PODS - 1),
        ),
        _told_replaced,
    ),
    Step(
        "protected",
        "delete the net-attach-def that the pods use",
        lambda installation, _: installation.delete_network(),
        (
            _READY,
            _OURS,
            _STAYED,
            _network_is(_HELD_WHILE_DELETED),
            _events(_NETWORK, HELD_BY_PODS.name),
            _reader(PODS),
        ),
        lambda _, now: f"the net-attach-def is {now.network} by its finalizer",
        stays=True,
    ),
    Step(
        "let-go",
        "scale the Deployment to no pods",
        lambda installation, _: installation.scale(0),
        (
            Moment("pods", "none", lambda _, now: not now.pods),
            _OURS,
            _STAYED,
            _network_is(Network()),
            _events(_SERVICE, reasons.NO_MATCHING_PODS.name),
            Moment("reader", "no address", lambda _, now: not now.views[-1].addresses),
        ),
        lambda *_: "the net-attach-def went with the last pod",
    ),
)
