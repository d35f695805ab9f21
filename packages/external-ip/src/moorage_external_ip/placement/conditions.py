"""Conditions of a claim: where its address is, and what the agents say of it; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moorage_domain.conditions import Condition, Status, condition_of
from moorage_domain.plans import PlainStatus, Plan
from moorage_domain.reasons import Reason
from moorage_external_ip.placement import reasons
from moorage_external_ip.placement.choose import Candidates, candidates, without_endpoints
from moorage_external_ip.placement.model import (
    ForgetReports,
    Life,
    NodeReport,
    NodeView,
    Observed,
    PlacementAction,
)
from moorage_external_ip.placement.rules import Obstacle, is_lost
from moorage_external_ip.placement.trouble import CONFLICTS, is_taken, refusals

_NAMED = 5
"""Names in one message."""


def settled(observed: Observed, kept: Obstacle | None) -> Plan[PlacementAction]:
    """Say how it is; ``kept``: why the address should leave a node where it stays."""
    reason, message = phase(observed)
    ready: Status = "True" if reason is reasons.ANNOUNCED else "False"
    status = PlainStatus(
        (
            Condition("Ready", ready, reason.name, message),
            _scheduled(observed, kept, reason, message),
            _announced(reason, message),
            *_conflict(observed),
            *_rejected(observed),
            *_endpoints(observed),
        ),
        _fields(observed, reason),
    )
    gone = _gone(observed)
    actions = (ForgetReports(gone),) if gone else ()
    return Plan(reason.name, message, actions, status=status)


def _fields(observed: Observed, reason: Reason) -> dict[str, Any]:
    """Once a node has it, what others said is over; before, a stranger's address is given up."""
    if reason is reasons.ANNOUNCED:
        return {"tried": None, "announced": True, "taken": None}
    return {"taken": True} if is_taken(observed) else {"taken": None}


def phase(observed: Observed) -> tuple[Reason, str]:
    """The state of the claim in one reason, with a message."""
    holders = observed.claim.holders
    if not holders:
        return _without_node(observed)
    lost = [name for name in holders if is_lost(_node(observed, name))]
    if lost and not observed.claim.every_node and may_hold_unseen(observed, lost[0]):
        return reasons.LEASE_MISSING, f"{lost[0]} has no Lease; it may still hold the address"
    if lost and observed.held:
        return reasons.MOVES_HELD, f"more than half of all leases ended at once; kept: {lost[0]}"
    if lost:
        why = candidates(observed)
        return reasons.NODE_LOST, f"the lease of {lost[0]} has ended; {why}"
    said = [_said(observed, name) for name in holders]
    worst = next((one for one in said if one[0] is not reasons.ANNOUNCED), said[0])
    if len(holders) == 1:
        return worst
    ready = sum(one[0] is reasons.ANNOUNCED for one in said)
    return worst[0], f"{ready} of {len(holders)} nodes have it; {worst[1]}"


def may_hold_unseen(observed: Observed, name: str) -> bool:
    """Whether a node without a Lease may hold an address, with a hold that nobody could see."""
    return observed.unseen_seconds > 0 and _node(observed, name).life is Life.NONE


def _without_node(observed: Observed) -> tuple[Reason, str]:
    if without_endpoints(observed):
        names = ", ".join(use.key for use in observed.local[:_NAMED])
        return reasons.NO_ENDPOINTS, f"no node has an endpoint of {names}"
    return reasons.NO_ELIGIBLE_NODE, f"no node can have it: {candidates(observed)}"


def _said(observed: Observed, name: str) -> tuple[Reason, str]:
    """What the agent of one node says."""
    report = observed.claim.reports.get(name)
    if report is None:
        return reasons.ASSIGNED, f"{name} has not said anything of it yet"
    reason = reasons.PHASES.get(report.state, reasons.ASSIGNED)
    return reason, f"{name}: {_text(report)}"


def _text(report: NodeReport) -> str:
    mac = f" ({report.mac})" if report.mac else ""
    return report.message or f"{report.state}{mac}"


def _scheduled(
    observed: Observed, kept: Obstacle | None, phase_reason: Reason, message: str
) -> Condition:
    if phase_reason in (reasons.NO_ELIGIBLE_NODE, reasons.NO_ENDPOINTS, reasons.NODE_LOST):
        return Condition("Scheduled", "False", phase_reason.name, message)
    if phase_reason in (reasons.MOVES_HELD, reasons.LEASE_MISSING):
        return Condition("Scheduled", "Unknown", phase_reason.name, message)
    names = observed.claim.holders
    where = ", ".join(names[:_NAMED]) + (" and more" if len(names) > _NAMED else "")
    if kept is not None:
        others: Candidates = candidates(observed)
        text = f"{where} is a node {_phrase(kept)}; no other can have it: {others}"
        return Condition("Scheduled", "True", reasons.KEPT.name, text)
    return Condition("Scheduled", "True", reasons.SCHEDULED.name, f"on {where}")


def _announced(reason: Reason, message: str) -> Condition:
    if reason is reasons.ANNOUNCED:
        return Condition("Announced", "True", reason.name, message)
    unknown = (
        reasons.ASSIGNED, reasons.NODE_LOST, reasons.MOVES_HELD, reasons.LEASE_MISSING,
    )  # fmt: skip
    status: Status = "Unknown" if reason in unknown else "False"
    return Condition("Announced", status, reason.name, message)


def _conflict(observed: Observed) -> Iterator[Condition]:
    """Another machine has it; once there was none, only that this is over is said."""
    for name in observed.claim.holders:
        report = observed.claim.reports.get(name)
        if report is not None and report.state in CONFLICTS:
            yield Condition("Conflict", "True", report.state, f"{name}: {_text(report)}")
            return
    if _has(observed, "Conflict"):
        message = "no node says that another machine has the address"
        yield Condition("Conflict", "False", reasons.NO_CONFLICT.name, message)


def _rejected(observed: Observed) -> Iterator[Condition]:
    """What each node said that could not have it; that this is over is said where it was so."""
    said = refusals(observed)
    has_it = any(one.state == "Announced" for one in observed.claim.reports.values())
    if said and not has_it:
        more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
        message = "; ".join(map(str, said[-_NAMED:])) + more
        yield Condition("Rejected", "True", reasons.REJECTED.name, message)
    elif _has(observed, "Rejected"):
        message = "no node says that it cannot have it"
        yield Condition("Rejected", "False", reasons.NOT_REJECTED.name, message)


def _endpoints(observed: Observed) -> Iterator[Condition]:
    """Of Services with policy Local; that all is well again is said where it was not."""
    if not observed.local:
        if _has(observed, "LocalEndpoints"):
            yield _found("no Service with policy Local uses it")
        return
    served = candidates(observed, _holder(observed))
    if served.unserved:
        waiting = ", ".join(use.key for use in served.unserved[:_NAMED])
        others = ", ".join(use.key for use in served.served[:_NAMED])
        if not others:
            message = f"nodes with an endpoint of {waiting} cannot have the address"
            reason = reasons.ENDPOINTS_OUT_OF_REACH.name
            yield Condition("LocalEndpoints", "False", reason, message)
            return
        message = f"{waiting} waits: no node has also an endpoint of {others}"
        yield Condition("LocalEndpoints", "False", reasons.NO_COMMON_NODE.name, message)
        return
    nameless = ", ".join([use.key for use in observed.local if use.nameless][:_NAMED])
    if nameless:
        message = f"endpoints of {nameless} name no node; the service proxy may drop their traffic"
        yield Condition("LocalEndpoints", "False", reasons.ENDPOINTS_WITHOUT_NODE.name, message)
        return
    empty = ", ".join([use.key for use in observed.local if not use.anywhere][:_NAMED])
    if empty:
        message = f"no node has an endpoint of {empty}"
        yield Condition("LocalEndpoints", "False", reasons.NO_ENDPOINTS.name, message)
        return
    yield _found("there is one of every Service with policy Local")


def _found(message: str) -> Condition:
    return Condition("LocalEndpoints", "True", reasons.ENDPOINTS_FOUND.name, message)


def _holder(observed: Observed) -> NodeView | None:
    name = observed.claim.node
    return observed.nodes.get(name) if name else None


def _node(observed: Observed, name: str) -> NodeView:
    return observed.nodes.get(name, NodeView(name))


def _has(observed: Observed, condition: str) -> bool:
    return bool(condition_of(observed.claim.subject.status, condition))


def _gone(observed: Observed) -> tuple[str, ...]:
    """Nodes that have said something and are gone, their Leases with them."""
    reports, holders = observed.claim.reports, observed.claim.holders
    return tuple(name for name in reports if name not in observed.nodes and name not in holders)


def _phrase(why: Obstacle) -> str:
    return why.value if why.value.startswith(("with", "whose")) else f"that is {why.value}"
