"""What to do for one Service: pure.

What is new is written before what it replaces is removed, in every mode and from one to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from moorage_domain.reasons import Reason
from moorage_endpoints import names, reasons
from moorage_endpoints.actions import (
    Action,
    DeleteCompanion,
    GiveSelectorBack,
    TakeSelector,
    WriteEndpoints,
)
from moorage_endpoints.decide.candidates import Candidate, Remarks, candidates_of
from moorage_endpoints.decide.companion import (
    companion_name,
    companion_write,
    has_other_address,
    is_companion,
)
from moorage_endpoints.decide.endpoints import groups_of
from moorage_endpoints.decide.legacy import subsets_of
from moorage_endpoints.decide.removal import (
    kubernetes_has_written,
    left_by_companion,
    left_by_handover,
    left_by_kubernetes,
    left_by_legacy,
)
from moorage_endpoints.decide.slices import SliceChanges, slice_changes
from moorage_endpoints.model import Note, NotedPlan, Observed
from moorage_endpoints.projections.others import digest_of
from moorage_endpoints.projections.services import Service
from moorage_endpoints.targets import Target

MOST_TAKES = 3
"""So often in a minute a selector is taken out; then somebody else puts it back each time."""
MOST_REWRITES = 10
"""So often in a minute Endpoints are rewritten."""
PAUSE = timedelta(seconds=60)


def decide(observed: Observed) -> NotedPlan:
    """The plan for one Service."""
    service = observed.service
    if service is None:
        return _plan(reasons.NOT_OURS, "the Service is gone", *left_by_handover(observed))
    match observed.target:
        case Target.LEAVING:
            return _plan(reasons.LEFT_ALONE, "the Service is being deleted")
        case Target.KEPT:
            return _plan(reasons.LEFT_ALONE, "it never had a selector, and keeps its slices")
        case Target.FROZEN:
            note = Note(reasons.INVALID_NETWORK_SELECTION, service.wish.problem)
            return _plan(note.reason, note.message, notes=(note,))
        case target:
            return _RULES[target](observed, service)


def serve_by_slices(observed: Observed, service: Service) -> NotedPlan:
    """Nobody but us writes its slices; a selector of its own is taken out once ours are stored."""
    remarks = Remarks()
    candidates = candidates_of(service, observed.members, remarks)
    changes = slice_changes(observed, service, groups_of(service, candidates))
    notes = [*_of_pods(observed, service), *remarks.notes(), *_of_networks(observed, service)]
    notes += _of_strangers(observed, changes)
    actions: list[Action] = [*changes.writes, *changes.deletes]
    if service.subject.deleting:
        # It serves until it is gone; the garbage collector would delete new slices at once.
        known = [one for one in changes.writes if one.known]
        return _plan(reasons.LEFT_ALONE, "the Service is being deleted", *known)
    wait, held = _soon(observed), ""
    if not service.selector:
        actions += left_by_kubernetes(observed, service)
        actions += left_by_companion(observed.companions)
    elif observed.takes >= MOST_TAKES:
        notes.insert(0, _contested())
        wait = min(wait or PAUSE, PAUSE)
    elif changes.ready or not _is_served_by_kubernetes(observed):
        # Not before ours are there; what Kubernetes wrote goes once this is seen.
        actions = [*changes.writes, TakeSelector(), *changes.deletes]
    else:
        # Nobody keeps rewritten Endpoints true any more, and Kubernetes serves it for now.
        actions += left_by_legacy(observed)
        held = "; its selector stays until one of them is ready"
    networks = ", ".join(map(str, service.wish.networks or ()))
    shown = f"{changes.endpoints} endpoints of {networks} in {changes.slices} slices"
    return _plan(reasons.SYNCED, shown + held, *actions, notes=tuple(notes), wait=wait)


def keep_companion(observed: Observed, service: Service) -> NotedPlan:
    """A second Service has the endpoints; this one is not touched."""
    name, namesake = companion_name(service), observed.namesake
    if namesake is not None and not is_companion(namesake, service):
        message = f"there is a Service {name} already; rename or delete it, or choose another mode"
        note = Note(reasons.COMPANION_NAME_TAKEN, message)
        return _plan(note.reason, message, *_given_back(service), notes=(note,))
    if namesake is not None and has_other_address(namesake, service):
        # The other one is made once this one is gone.
        message = f"Service {name} gets another kind of address"
        actions: list[Action] = [*_given_back(service), DeleteCompanion(namesake)]
        return _plan(reasons.SYNCING, message, *actions)
    write = companion_write(observed, service)
    actions = [*_given_back(service), *((write,) if write else ())]
    if observed.companion_stored and kubernetes_has_written(observed, service):
        actions += left_by_handover(observed)
        actions += left_by_companion(observed.companions, but=name)
        actions += left_by_legacy(observed)
    return _plan(reasons.COMPANION_SYNCED, f"Service {name} has its endpoints", *actions)


def rewrite_endpoints(observed: Observed, service: Service) -> NotedPlan:
    """What the first version did; of use only for what reads Endpoints."""
    networks = service.wish.networks or ()
    before: list[Action] = [*_given_back(service)]
    after: list[Action] = []
    if kubernetes_has_written(observed, service):
        after += [*left_by_handover(observed), *left_by_companion(observed.companions)]
    notes = [Note(reasons.LEGACY_INEFFECTIVE, _INEFFECTIVE)]
    if len(networks) > 1:
        notes.insert(0, Note(reasons.MULTIPLE_NETWORKS, _SEVERAL))
        return _plan(notes[0].reason, _SEVERAL, *before, *after, notes=tuple(notes))
    if observed.endpoints is None:
        message = "Kubernetes has not written its Endpoints yet"
        return _plan(reasons.SYNCING, message, *before, *after, notes=tuple(notes))
    remarks = Remarks()
    candidates = candidates_of(service, observed.members, remarks)
    notes += [*_of_pods(observed, service), *remarks.notes(), *_of_networks(observed, service)]
    write = _rewrite(observed, service, candidates)
    if write is not None and observed.rewrites >= MOST_REWRITES:
        notes.insert(0, Note(reasons.REWRITES_PAUSED, _PAUSED))
        return _plan(notes[0].reason, _PAUSED, *before, notes=tuple(notes), wait=PAUSE)
    actions = (*before, *((write,) if write else ()), *after)
    shown = f"Updated to use network {', '.join(map(str, networks))}: Endpoints update successful"
    return _plan(
        reasons.ENDPOINTS_UPDATED, shown, *actions, notes=tuple(notes), wait=_soon(observed)
    )


def leave_to_kubernetes(observed: Observed, service: Service) -> NotedPlan:
    """What we wrote goes, once Kubernetes has written what replaces it."""
    actions: list[Action] = [*_given_back(service)]
    nobody_else = not service.selector and not service.wish.remembered
    if nobody_else or service.type == "ExternalName" or kubernetes_has_written(observed, service):
        actions += left_by_handover(observed)
        actions += left_by_companion(observed.companions)
    actions += left_by_legacy(observed)
    match observed.target:
        case Target.REPORT:
            note = Note(reasons.SELECTOR_CONFLICT, _CONFLICT)
        case Target.UNSUPPORTED:
            note = Note(reasons.UNSUPPORTED_SERVICE, "a Service of type ExternalName")
        case _ if observed.ours:
            return _plan(reasons.HANDED_BACK, "Kubernetes writes its endpoints", *actions)
        case _:
            return _plan(reasons.NOT_OURS, "it names no network", *actions)
    return _plan(note.reason, note.message, *actions, notes=(note,))


_RULES = {
    Target.SLICES: serve_by_slices,
    Target.HANDOVER: serve_by_slices,
    Target.COMPANION: keep_companion,
    Target.LEGACY: rewrite_endpoints,
    Target.NONE: leave_to_kubernetes,
    Target.UNSUPPORTED: leave_to_kubernetes,
    Target.REPORT: leave_to_kubernetes,
}
_INEFFECTIVE = (
    "service proxies and DNS read EndpointSlices, not Endpoints: in the mode legacy they do not see"
    f" the addresses; write {names.MODE}: handover or companion"
)
_SEVERAL = (
    "Endpoints update aborted: multiple network selections in the service spec are not supported;"
    f" name one network, or write {names.MODE}: handover"
)
_PAUSED = (
    f"somebody rewrites the Endpoints more than {MOST_REWRITES} times a minute; ours are written"
    " again in a minute"
)
_CONFLICT = (
    "the Service has a spec.selector, so Kubernetes gives it default addresses, and nothing is"
    f" written for the network it names; write {names.MODE}: handover, companion or legacy, or move"
    f" the selector to the annotation {names.SELECTOR}"
)


def _plan(
    reason: Reason,
    message: str,
    *actions: Action,
    notes: tuple[Note, ...] = (),
    wait: timedelta | None = None,
) -> NotedPlan:
    return NotedPlan(reason.name, message, actions, wait=wait, notes=notes)


def _given_back(service: Service) -> tuple[Action, ...]:
    """The selector, where it was taken out: Kubernetes is to write the endpoints."""
    return (GiveSelectorBack(),) if service.wish.remembered is not None else ()


def _rewrite(
    observed: Observed, service: Service, candidates: tuple[Candidate, ...]
) -> WriteEndpoints | None:
    known = observed.endpoints
    if known is None or (not candidates and any(not one.pod.finished for one in observed.members)):
        # Pods without a status that can be read: better the default addresses than none.
        return None
    subsets, truncated = subsets_of(service, candidates)
    if known.ours and known.content == digest_of(subsets):
        return None
    return WriteEndpoints(known, subsets, truncated)


def _is_served_by_kubernetes(observed: Observed) -> bool:
    """Whether it has a ready endpoint of the default network now."""
    return any(one.ready for one in observed.slices if one.manager == names.KUBERNETES)


def _soon(observed: Observed) -> timedelta | None:
    """When the first of the kept statuses counts no more."""
    seconds = observed.kept_seconds
    return None if seconds is None else timedelta(seconds=max(seconds, 0.0) + 0.1)


def _contested() -> Note:
    message = (
        f"somebody has put the selector back {MOST_TAKES} times within a minute; it is taken out"
        " again in a minute. Install the webhook, or take the selector out of the manifest"
    )
    return Note(reasons.SELECTOR_CONTESTED, message)


def _of_pods(observed: Observed, service: Service) -> Iterator[Note]:
    if service.pods is None:
        message = f"no pods are named: write spec.selector or the annotation {names.SELECTOR}"
        yield Note(reasons.NO_SELECTOR, message)
    elif not observed.members:
        yield Note(reasons.NO_MATCHING_PODS, f"no pod of its namespace has {service.pods}")


def _of_networks(observed: Observed, service: Service) -> Iterator[Note]:
    wanted = list(dict.fromkeys(one.network for one in service.wish.networks or ()))
    missing = [one for one in wanted if one not in observed.networks]
    if missing:
        message = f"there is no NetworkAttachmentDefinition {', '.join(missing)}"
        yield Note(reasons.NO_SUCH_NETWORK, message)
    far = [
        one
        for one in wanted
        if one in observed.networks and not observed.networks[one].node_routable
    ]
    if far and not service.headless:
        yield Note(
            reasons.NOT_NODE_ROUTABLE,
            f"packets to its cluster address leave from nodes, and {', '.join(far)} does not say"
            f' that nodes reach it: annotate it with {names.NODE_ROUTABLE}: "true", or make the'
            " Service headless",
        )


def _of_strangers(observed: Observed, changes: SliceChanges) -> Iterator[Note]:
    known = (names.KUBERNETES, names.MIRRORING)
    others = (one for one in observed.slices if not one.ours and one.manager not in known)
    strange = sorted({one.manager or one.name for one in others})
    if strange:
        yield Note(
            reasons.FOREIGN_SLICES, f"{', '.join(strange)} writes slices of the Service, too"
        )
    if changes.avoided:
        names_taken = ", ".join(changes.avoided)
        yield Note(reasons.FOREIGN_SLICES, f"somebody else has slices named {names_taken}")
