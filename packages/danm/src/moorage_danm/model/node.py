"""Nodes: whether one is ready, by which names its host is known, and which marks fence it; pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from moorage_domain.wire import Raw, as_map, as_maps
from moorage_ipam.times import epoch_of

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""Set by people or remediation: whatever ran there does not run any more."""
SHUT_DOWN = "node.cloudprovider.kubernetes.io/shutdown"
"""Set by the cloud's controller: the machine is stopped."""
UNREACHABLE = "node.kubernetes.io/unreachable"
_HOST_LABEL = "kubernetes.io/hostname"


class Ready(enum.Enum):
    """What the node's condition Ready says; a node without it says Unknown."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on a node that says that it is fenced; ``since``: epoch seconds, None = unknown."""

    name: str
    since: float | None


@dataclass(frozen=True, slots=True)
class FenceRules:
    """Which annotations and conditions say that a node is fenced, besides the two taints.

    Attributes:
        annotations: key and value; ``""`` = any value.
        conditions: types; their status is then True.
    """

    annotations: tuple[tuple[str, str], ...] = ()
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        ready_since: epoch seconds at which the condition Ready became what it is.
        unreachable: it has the taint of that name.
        marks: all that says that it is fenced.
        hosts: names that its host may be known by, in lower case, its own name first.
    """

    name: str
    uid: str
    ready: Ready
    ready_since: float | None
    unreachable: bool
    marks: tuple[Mark, ...]
    hosts: tuple[str, ...]


def node_of(rules: FenceRules, raw: Raw) -> Node:
    """The projection of a Node."""
    meta, status = raw["metadata"], as_map(raw.get("status"))
    conditions = {str(one.get("type")): one for one in as_maps(status.get("conditions"))}
    ready = conditions.get("Ready", {})
    taints = {str(one.get("key")): one for one in as_maps(as_map(raw.get("spec")).get("taints"))}
    try:
        state = Ready(ready.get("status"))
    except ValueError:
        state = Ready.UNKNOWN
    return Node(
        name=str(meta["name"]),
        uid=str(meta.get("uid") or ""),
        ready=state,
        ready_since=_time(ready.get("lastTransitionTime")),
        unreachable=UNREACHABLE in taints,
        marks=_marks(rules, taints, conditions, as_map(meta.get("annotations"))),
        hosts=_hosts(meta, status),
    )


def _marks(
    rules: FenceRules, taints: Raw, conditions: Mapping[str, Raw], annotations: Raw
) -> tuple[Mark, ...]:
    found = [
        Mark(f"taint {key}", _time(taints[key].get("timeAdded")))
        for key in (OUT_OF_SERVICE, SHUT_DOWN)
        if key in taints
    ]
    for key, value in rules.annotations:
        if key in annotations and value in ("", annotations[key]):
            found.append(Mark(f"annotation {key}", None))
    for name in rules.conditions:
        one = conditions.get(name, {})
        if one.get("status") == "True":
            found.append(Mark(f"condition {name}", _time(one.get("lastTransitionTime"))))
    return tuple(found)


def _hosts(meta: Raw, status: Raw) -> tuple[str, ...]:
    addresses = as_maps(status.get("addresses"))
    named = [str(one.get("address")) for one in addresses if one.get("type") == "Hostname"]
    label = as_map(meta.get("labels")).get(_HOST_LABEL)
    names = (str(meta["name"]), *named, *((str(label),) if label else ()))
    return tuple(dict.fromkeys(one.lower() for one in names))


def _time(value: object) -> float | None:
    return epoch_of(value) if isinstance(value, str) else None
