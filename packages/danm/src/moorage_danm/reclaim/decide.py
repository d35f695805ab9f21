"""Decide: what is done about one endpoint; pure."""

from __future__ import annotations

from datetime import timedelta

from moorage_danm import reasons
from moorage_danm.reclaim.eligible import PodState
from moorage_danm.reclaim.model import Action, LetGo, Observed, Remove, Take
from moorage_danm.reclaim.node_class import NodeClass
from moorage_domain.plans import Plan, first_match
from moorage_domain.reasons import Reason

SUSPENDED_SECONDS = 30.0
"""So often it is asked whether freeing is still suspended; mostly a change says so earlier."""

_BEHIND = 0.05  # just after the moment that is waited for, and not just before it


def decide(observed: Observed) -> Plan[Action]:
    """The plan for one endpoint."""
    return first_match(RULES, observed)


def settle_what_is_taken(observed: Observed) -> Plan[Action] | None:
    """Whatever else is the case: what was begun is ended."""
    endpoint = observed.endpoint
    if endpoint.taken is None or not endpoint.held:
        return None
    if not observed.settled:
        return _plan(reasons.FREEING, f"{_addresses(observed)} come free")
    if endpoint.deleting or not _may_go(observed):
        blank = f"{_addresses(observed)} are free; {observed.verdict.why}"
        return _plan(reasons.LEFT_BLANK, blank, LetGo(delete=False))
    return _plan(reasons.RECLAIMED, f"{_addresses(observed)} are free", LetGo(delete=True))


def remove_what_is_blank(observed: Observed) -> Plan[Action] | None:
    """Its addresses are free; it stays for its host, until nobody needs it."""
    if observed.endpoint.taken is None:
        return None
    why = observed.verdict.why
    if observed.endpoint.deleting:
        return _plan(reasons.DELETING, "somebody has deleted the endpoint")
    if observed.verdict.eligible and _may_go(observed):
        return _plan(reasons.RECLAIMED, f"{_addresses(observed)} are free; {why}", Remove())
    return _plan(reasons.LEFT_BLANK, f"without addresses; {why}", wait=observed.verdict.wait)


def leave_what_is_deleted(observed: Observed) -> Plan[Action] | None:
    """Nothing can be put on an endpoint that is being deleted, so nothing could be resumed."""
    if not observed.endpoint.deleting:
        return None
    return _plan(reasons.DELETING, "somebody has deleted the endpoint, and a finalizer holds it")


def hold_while_the_pod_may_run(observed: Observed) -> Plan[Action] | None:
    """The pod may run, or its host may still remove the endpoint itself."""
    verdict = observed.verdict
    return None if verdict.eligible else _plan(verdict.reason, verdict.why, wait=verdict.wait)


def hold_without_a_network(observed: Observed) -> Plan[Action] | None:
    """What is not understood is not changed."""
    if observed.endpoint.network is None:
        return _plan(reasons.NETWORK_UNNAMED, "the endpoint names no network")
    if observed.problem:
        text = f"{observed.endpoint.network}: {observed.problem}"
        return _plan(reasons.NETWORK_UNREADABLE, text)
    return None


def hold_while_suspended(observed: Observed) -> Plan[Action] | None:
    """When most nodes look dead, it is rather we who see wrongly."""
    if not observed.suspended or observed.node.node_class.fenced:
        return None
    return _plan(reasons.SUSPENDED, observed.suspended, wait=SUSPENDED_SECONDS)


def hold_without_demand(observed: Observed) -> Plan[Action] | None:
    """Nobody asks for it, and the trigger is not eager here."""
    if observed.wanted_by or observed.demanded or _is_eager(observed):
        return None
    beside = "; a danm-cleaner runs" if observed.cleaner else ""
    return _plan(reasons.NO_DEMAND, f"{observed.verdict.why}; no pod waits for it{beside}")


def hold_at_the_limit(observed: Observed) -> Plan[Action] | None:
    """Only so many a minute where it is not proved that the pod does not run."""
    if not observed.unfenced or observed.next_turn <= 0:
        return None
    return _plan(
        reasons.RATE_LIMITED, f"{observed.verdict.why}; others come first", wait=observed.next_turn
    )


def reclaim(observed: Observed) -> Plan[Action]:
    """Nothing speaks against it."""
    text = f"{_addresses(observed)} of {observed.endpoint.network}: {observed.verdict.why}"
    if observed.unfenced:
        text += "; it is not proved that the pod does not run, so two may have one address"
    if observed.wanted_by:
        text += f"; wanted by {', '.join(pod.key for pod in observed.wanted_by)}"
    return _plan(reasons.RECLAIMING, text, Take(observed.verdict.why))


RULES = (
    settle_what_is_taken,
    remove_what_is_blank,
    leave_what_is_deleted,
    hold_while_the_pod_may_run,
    hold_without_a_network,
    hold_while_suspended,
    hold_without_demand,
    hold_at_the_limit,
    reclaim,
)


def _may_go(observed: Observed) -> bool:
    """Whether the host has no use for the endpoint any more."""
    if observed.node.node_class.fenced:
        return True
    return observed.pod.over and observed.verdict.eligible


def _is_eager(observed: Observed) -> bool:
    """Whether it is freed before anybody asks for it."""
    if observed.cleaner or observed.trigger == "demand":
        return False
    if observed.trigger == "eager" or observed.node.node_class.fenced:
        return True
    known = (NodeClass.READY, NodeClass.UNKNOWN)
    return observed.pod.over and observed.node.node_class in known


def returned_late(observed: Observed) -> bool:
    """Whether a pod whose addresses were freed is back, or never was away."""
    back = observed.node.node_class is NodeClass.READY
    lives = observed.pod in (PodState.RUNS, PodState.DELETED, PodState.ELSEWHERE)
    return observed.endpoint.taken is not None and back and lives


def _addresses(observed: Observed) -> str:
    endpoint = observed.endpoint
    found = endpoint.taken.addresses if endpoint.taken else endpoint.addresses
    return " and ".join(map(str, found)) or "no addresses"


def _plan(
    reason: Reason, message: str, *actions: Action, wait: float | None = None
) -> Plan[Action]:
    after = None if wait is None else timedelta(seconds=wait + _BEHIND)
    return Plan(reason.name, message, actions, after)
