"""Rules: why a node may not get an address, and why it may not keep one; pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from moorage_domain.link_patterns import InvalidPattern, link_pattern
from moorage_domain.nodes import EXCLUDE_LABEL
from moorage_external_ip.placement.model import (
    Life,
    Link,
    NodeView,
    Observed,
    Proxy,
)

_LABEL_LENGTH = 63


class Obstacle(enum.Enum):
    """Why a node may not get an address; the value follows the number of nodes in a message."""

    GONE = "gone from the cluster"
    NO_AGENT = "without an agent"
    NOT_LIVE = "not live"
    RESTARTING = "whose agent restarts"
    DRAINING = "draining"
    NOT_SELECTED = "not selected by labels"
    EXCLUDED = f"excluded by the label {EXCLUDE_LABEL}"
    LEAVING = "with a taint that they are lost or about to leave"
    NETWORK_UNAVAILABLE = "whose network is unavailable"
    LINKS_UNKNOWN = "whose links are unknown"
    NO_LINK = "without a link that fits"
    NO_CARRIER = "whose link has no carrier"
    PROXY_UNHEALTHY = "whose service proxy is unhealthy"
    LONG_NAME = "whose name is too long for a label"
    NO_ENDPOINT = "without an endpoint"
    SAID_NO = "whose agent said that it cannot have it"


@dataclass(frozen=True, slots=True)
class Case:
    """One node, and the claim that it may get or keep."""

    node: NodeView
    observed: Observed


Rule = Callable[[Case], Obstacle | None]


def obstacle(case: Case) -> Obstacle | None:
    """Why the node may not get the address; ``None`` = it may. Endpoints are judged elsewhere."""
    return _first(_TARGET, case)


def why_leave(case: Case) -> Obstacle | None:
    """Why the address must leave the node that has it; ``None`` = it may stay.

    The taint, the label and the rest ask for a move; that its network is unavailable, or that it
    is cordoned, does not: what works there goes on working.
    """
    return _first(_HOLDER, case)


def _first(rules: tuple[Rule, ...], case: Case) -> Obstacle | None:
    # Asked for every node and each address that is placed: a generator costs twice as much.
    for rule in rules:
        if found := rule(case):
            return found
    return None


def is_lost(node: NodeView) -> bool:
    """Whether whatever the node held has ended with its lease."""
    return node.life in (Life.LOST, Life.NONE)


def _exists(case: Case) -> Obstacle | None:
    return None if case.node.facts else Obstacle.GONE


def _has_agent(case: Case) -> Obstacle | None:
    return Obstacle.NO_AGENT if case.node.life is Life.NONE else None


def _is_live(case: Case) -> Obstacle | None:
    if case.node.life is Life.HELD:
        return Obstacle.RESTARTING
    return None if case.node.life is Life.LIVE else Obstacle.NOT_LIVE


def _is_not_lost(case: Case) -> Obstacle | None:
    return Obstacle.NOT_LIVE if case.node.life is Life.LOST else None


def _stays(case: Case) -> Obstacle | None:
    return Obstacle.DRAINING if case.node.agent and case.node.agent.draining else None


def _selected(case: Case) -> Obstacle | None:
    labels = case.node.facts.labels if case.node.facts else {}
    observed = case.observed
    fits = observed.selector.fits(labels) and observed.pool.selector.fits(labels)
    return None if fits else Obstacle.NOT_SELECTED


def _not_excluded(case: Case) -> Obstacle | None:
    labels = case.node.facts.labels if case.node.facts else {}
    ignored = case.observed.pool.ignore_exclude_label
    return Obstacle.EXCLUDED if EXCLUDE_LABEL in labels and not ignored else None


def _not_leaving(case: Case) -> Obstacle | None:
    return Obstacle.LEAVING if case.node.facts and case.node.facts.leaving else None


def _has_network(case: Case) -> Obstacle | None:
    missing = case.node.facts is not None and case.node.facts.network_unavailable
    return Obstacle.NETWORK_UNAVAILABLE if missing else None


def _links_are_known(case: Case) -> Obstacle | None:
    if case.observed.claim.every_node or (case.node.agent and case.node.agent.links is not None):
        return None
    return Obstacle.LINKS_UNKNOWN


def _has_link(case: Case) -> Obstacle | None:
    agent = case.node.agent
    # With EveryNode the address is on lo. Unknown is never absent.
    if case.observed.claim.every_node or agent is None or agent.links is None:
        return None
    fitting = [link for link in agent.links if _fits(link, case.observed)]
    if not fitting:
        return Obstacle.NO_LINK
    return None if any(link.carrier for link in fitting) else Obstacle.NO_CARRIER


def _fits(link: Link, observed: Observed) -> bool:
    """Whether the link is the pool's, or where the pool names none has a subnet of the address."""
    claim = observed.claim
    if claim.interface:
        return link.name == claim.interface
    if claim.interface_pattern:
        pattern = _compiled(claim.interface_pattern)
        return pattern is not None and pattern.fullmatch(link.name) is not None
    return claim.address is not None and link.reaches(claim.address)


def _compiled(pattern: str) -> re.Pattern[str] | None:
    """``None`` = it is no pattern, so no link fits."""
    try:
        return link_pattern(pattern)
    except InvalidPattern:
        return None


def _proxy_healthy(case: Case) -> Obstacle | None:
    agent = case.node.agent
    unhealthy = agent is not None and agent.proxy is Proxy.UNHEALTHY
    return Obstacle.PROXY_UNHEALTHY if unhealthy else None


def _proxy_not_failing(case: Case) -> Obstacle | None:
    return Obstacle.PROXY_UNHEALTHY if case.node.proxy_failing else None


def _short_name(case: Case) -> Obstacle | None:
    is_long = len(case.node.name) > _LABEL_LENGTH and not case.observed.claim.every_node
    return Obstacle.LONG_NAME if is_long else None


def _has_not_said_no(case: Case) -> Obstacle | None:
    tried = case.observed.claim.tried
    return Obstacle.SAID_NO if any(one.node == case.node.name for one in tried) else None


_TARGET: tuple[Rule, ...] = (
    _exists, _has_agent, _is_live, _stays, _selected, _not_excluded, _not_leaving, _has_network,
    _links_are_known, _has_link, _proxy_healthy, _short_name,
    _has_not_said_no,
)  # fmt: skip
# First what has ended already: whoever is lost has nothing to hand over.
_HOLDER: tuple[Rule, ...] = (
    _has_agent, _is_not_lost, _exists, _stays, _not_leaving, _not_excluded, _selected, _has_link,
    _proxy_not_failing,
)  # fmt: skip
