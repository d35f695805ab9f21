"""Addresses that every selected node has: who is on the list; pure."""

from __future__ import annotations

from moorage_api.ipclaim import EVERY_NODE, MAX_NODES
from moorage_domain.plans import Plan
from moorage_external_ip.placement import conditions, reasons
from moorage_external_ip.placement.choose import Candidates, candidates, rank_of
from moorage_external_ip.placement.model import (
    Assign,
    Life,
    NodeView,
    Observed,
    PlacementAction,
    Rank,
)
from moorage_external_ip.placement.rules import Case, is_lost, why_leave


def spread(observed: Observed) -> Plan[PlacementAction]:
    """The nodes that can have the address, and those that keep it.

    Each is judged alone: a router balances over them, so one that leaves takes nothing along. A
    node that is late or restarts stays on the list, and one whose lease ended leaves it.
    """
    claim = observed.claim
    found = candidates(observed)
    kept = [name for name in claim.nodes if _stays(observed, found, name)]
    wanted = tuple(sorted({*(node.name for node in found.best), *kept})[:MAX_NODES])
    if wanted == claim.nodes and claim.label == EVERY_NODE and not claim.node:
        return conditions.settled(observed, None)
    come = ", ".join(sorted(set(wanted) - set(claim.nodes))) or "no node"
    go = ", ".join(sorted(set(claim.nodes) - set(wanted))) or "no node"
    message = f"{claim.address}: {come} gets it, {go} loses it"
    assign = Assign(nodes=wanted, every_node=True)
    return Plan(reasons.SPREAD.name, message, (assign,))


def _stays(observed: Observed, found: Candidates, name: str) -> bool:
    """Whether a node that has it keeps it although it could not get it now."""
    node = observed.nodes.get(name, NodeView(name))
    if is_lost(node):
        return observed.held
    if node.life is not Life.LIVE:
        return True
    if why_leave(Case(node, observed)) is not None:
        return False
    # Where no other node serves any of them, its own endpoints are what it may stay for.
    served = found.served or (() if observed.others else observed.local)
    rank = rank_of(served, name)
    return rank is Rank.READY or (rank is Rank.TERMINATING and not found.ready)
