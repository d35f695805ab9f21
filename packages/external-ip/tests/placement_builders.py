"""Values that the pure tests of placement are about; a test states only what differs."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

from moorage_domain.subject import Subject
from moorage_external_ip.placement.model import (
    Agent,
    ClaimView,
    Life,
    Link,
    NodeFacts,
    NodeReport,
    NodeView,
    Observed,
)


def link(name: str = "eth0", *subnets: str, **fields: Any) -> Link:
    """A link with carrier in the usual subnet."""
    wanted = subnets or ("10.0.0.200/24",)
    return Link(name, "02:00:00:00:00:01", subnets=tuple(map(ip_interface, wanted)), **fields)


def node(name: str, life: Life = Life.LIVE, **fields: Any) -> NodeView:
    """A node that may have everything; ``fields`` of facts and agent alike."""
    facts, agent = NodeFacts(name, f"uid-{name}"), Agent(name, links=(link(),))
    view: dict[str, Any] = {}
    for key, value in fields.items():
        if key in NodeFacts.__dataclass_fields__:
            facts = replace(facts, **{key: value})
        elif key in Agent.__dataclass_fields__:
            agent = replace(agent, **{key: value})
        else:
            view[key] = value
    return replace(NodeView(name, facts, agent, life), **view)


def claim(**fields: Any) -> ClaimView:
    """A claim of 10.0.0.7 that a Service uses, on no node."""
    subject = Subject("10-0-0-7-24", None, "uid-claim", "1")
    usual = ClaimView(
        subject,
        ip_address("10.0.0.7"),
        "10.0.0.7/24",
    )
    on = fields.get("node", "")
    return replace(usual, label=on, **fields) if "label" not in fields else replace(usual, **fields)


def announced(*nodes: str) -> dict[str, NodeReport]:
    """What agents say that have it."""
    return dict.fromkeys(nodes, NodeReport("Announced"))


def observed(view: ClaimView, *nodes: NodeView, **fields: Any) -> Observed:
    """A claim among nodes."""
    loads = fields.pop("loads", {})
    return Observed(view, {one.name: one for one in nodes}, loads, **fields)
