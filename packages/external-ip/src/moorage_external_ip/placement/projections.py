"""What is read of claims, pools and Nodes for the question where addresses are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from moorage_api.ipclaim import EVERY_NODE
from moorage_api.ipclaimpool import IpClaimPoolSpec
from moorage_api.selectors import LabelSelector
from moorage_domain.conditions import condition_of
from moorage_domain.label_selectors import Operator, Requirement, Selector
from moorage_domain.taints import TaintClass, class_of
from moorage_external_ip.placement.model import (
    ClaimView,
    NodeFacts,
    NodeReport,
    PoolRules,
    Preference,
    Tried,
)
from moorage_external_ip.projections import Claim

# No pod is waited for: an address leaves a node that is being drained at once.
_LEAVING = frozenset({TaintClass.LEAVING, TaintClass.DRAINING})


def view_of(claim: Claim) -> ClaimView:
    """One claim, as placement sees it."""
    return ClaimView(
        subject=claim.subject,
        address=ip_address(str(claim.address)) if claim.address is not None else None,
        text=claim.cidr,
        pool=claim.pool,
        every_node=claim.placement == EVERY_NODE,
        node=claim.node_name,
        nodes=claim.node_names,
        label=claim.node_label,
        interface=claim.interface,
        interface_pattern=claim.interface_pattern,
        reports=_reports(claim),
        previous=claim.previous_node,
        previous_macs=claim.previous_macs,
        allocated={"True": True, "False": False}.get(claim.allocated),
        tried=_tried(claim),
        announced=claim.subject.status.get("announced") is True,
    )


def holders_of(claim: Claim) -> tuple[str, ...]:
    """Nodes that shall have the address."""
    if claim.placement == EVERY_NODE:
        return claim.node_names
    return (claim.node_name,) if claim.node_name else ()


def reporters_of(claim: Claim) -> tuple[str, ...]:
    """Nodes that have said something of it."""
    return tuple(claim.subject.status.get("nodes") or ())


@dataclass(frozen=True, slots=True)
class PoolPlacement:
    """What a pool says of the place of its addresses, with the spec that it was read from."""

    spec: IpClaimPoolSpec
    rules: PoolRules

    @classmethod
    def of(cls, spec: IpClaimPoolSpec) -> PoolPlacement:
        """From the spec of a pool."""
        preferences = tuple(
            Preference(one.weight, selector_of(one.node_selector)) for one in spec.preferences
        )
        selector = selector_of(spec.node_selector)
        return cls(spec, PoolRules(selector, preferences, spec.ignore_exclude_label))


def node_of(raw: Mapping[str, Any]) -> NodeFacts:
    """One Node."""
    meta, spec = raw["metadata"], raw.get("spec") or {}
    taints = [str(taint.get("key") or "") for taint in spec.get("taints") or ()]
    return NodeFacts(
        name=meta["name"],
        uid=str(meta.get("uid") or ""),
        labels=meta.get("labels") or {},
        leaving=next((key for key in taints if class_of(key) in _LEAVING), ""),
        cordoned=spec.get("unschedulable") is True,
        network_unavailable=condition_of(raw.get("status"), "NetworkUnavailable").get("status")
        == "True",
    )


def _reports(claim: Claim) -> dict[str, NodeReport]:
    said = claim.subject.status.get("nodes") or {}
    return {
        node: NodeReport(
            str(one.get("state") or ""),
            str(one.get("mac") or ""),
            str(one.get("message") or ""),
            str(one.get("since") or ""),
        )
        for node, one in said.items()
        if isinstance(one, Mapping)
    }


def _tried(claim: Claim) -> tuple[Tried, ...]:
    said = claim.subject.status.get("tried") or ()
    return tuple(
        Tried(
            str(one.get("node") or ""),
            str(one.get("state") or ""),
            str(one.get("mac") or ""),
            str(one.get("message") or ""),
            str(one.get("since") or ""),
        )
        for one in said
        if isinstance(one, Mapping)
    )


def selector_of(wire: LabelSelector | None) -> Selector:
    """From the field of a pool; ``None``: everything fits."""
    if wire is None:
        return Selector()
    more = [
        Requirement(one.key, Operator(one.operator), frozenset(one.values))
        for one in wire.match_expressions
    ]
    return Selector((*Selector.of_labels(wire.match_labels).requirements, *more))
