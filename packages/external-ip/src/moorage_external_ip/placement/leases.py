"""Leases of agents: what is kept of one; what it says may be of any version, or be broken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_interface
from typing import Any

from moorage_external_ip.placement.model import Agent, Link, Proxy

PREFIX = "moorage-agent-"
AGENT_LABEL = "moorage.dev/node-agent"
SELECTOR = f"{AGENT_LABEL}=true"
LINKS = "moorage.dev/links"
HOLD_SECONDS = "moorage.dev/hold-seconds"
LONGEST_HOLD = "moorage.dev/longest-hold-seconds"
DRAINING = "moorage.dev/draining"
PROXY = "moorage.dev/proxy"

LEASE_SECONDS = 5.0
"""Where a Lease says nothing of its own."""
LONGEST_HOLD_SECONDS = 30.0
"""Where no Lease says how long its agent may hold; what an agent has where nothing is set."""
# Of what makes no sense. A bound below what an agent means would move what it still holds.
_LONGEST = 3600.0
_MOST_LINKS = 32
_MOST_SUBNETS = 64


def agent_of(raw: Mapping[str, Any]) -> Agent | None:
    """The agent that a Lease is of; ``None``: it is somebody else's."""
    name = str(raw["metadata"]["name"])
    if not name.startswith(PREFIX) or len(name) == len(PREFIX):
        return None
    spec, said = raw.get("spec") or {}, raw["metadata"].get("annotations") or {}
    return Agent(
        node=name.removeprefix(PREFIX),
        holder=str(spec.get("holderIdentity") or ""),
        renewed=str(spec.get("renewTime") or ""),
        lease_seconds=_seconds(spec.get("leaseDurationSeconds"), _LONGEST) or LEASE_SECONDS,
        hold_seconds=_seconds(said.get(HOLD_SECONDS), _LONGEST),
        longest_hold=_seconds(said.get(LONGEST_HOLD), _LONGEST),
        draining=said.get(DRAINING) == "true",
        proxy=_proxy(said.get(PROXY)),
        links=links_of(said.get(LINKS) or "[]"),
    )


@lru_cache(maxsize=4096)
def links_of(text: str) -> tuple[Link, ...] | None:
    """The links that an annotation names; ``None`` = it cannot be read, so they are unknown.

    A Lease is renewed each second, and hardly ever says something new of its links.
    """
    try:
        raw = json.loads(text)
        return tuple(_link(one) for one in raw[:_MOST_LINKS])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _link(raw: Mapping[str, Any]) -> Link:
    return Link(
        name=str(raw["name"]),
        mac=str(raw.get("mac") or ""),
        carrier=raw.get("carrier") is True,
        subnets=tuple(map(ip_interface, (raw.get("subnets") or ())[:_MOST_SUBNETS])),
        problem=str(raw.get("problem") or ""),
    )


def _proxy(text: object) -> Proxy:
    try:
        return Proxy(text)
    except ValueError:
        return Proxy.UNCHECKED


def _seconds(value: object, most: float) -> float:
    """A number of seconds; 0 = there is none that makes sense."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(most, seconds) if seconds > 0 else 0.0
