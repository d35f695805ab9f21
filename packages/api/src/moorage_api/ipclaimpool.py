"""IpClaimPool: addresses for Services; the first version's kind, with optional fields beside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from moorage_api.bounds import Label, Name
from moorage_api.crds import Column, Definition
from moorage_api.ipallocation import DEFAULT_NETWORK
from moorage_api.pool_fields import (
    IP_LENGTH,
    MAX_RANGES,
    NEARLY_FULL,
    Cidr,
    Excluded,
    Ip,
    NearlyFull,
    Network,
    PoolStatus,
    ReuseDelay,
)
from moorage_api.selectors import LabelSelector
from moorage_api.wire import Wire, rule
from moorage_domain.kinds import Kind
from moorage_domain.link_patterns import GRAMMAR, MOST_REPEATS, WAY_OUT

IPCLAIMPOOLS = Kind("ipcontroller.ext", "v1", "ipclaimpools", "IpClaimPool", namespaced=False)

_MAX_ALLOCATED = 32768
LINK_LENGTH = 15
"""Longest name of a link that Linux knows."""


def _ipv4_number(text: str) -> str:
    octets = (f"int({text}.split('.')[{place}]) * {256 ** (3 - place)}" for place in range(4))
    return "(" + " + ".join(octets) + ")"


_BOTH_ARE_IPS = "self.size() == 2 && self.all(one, isIP(one))"


def _pair_rule(expression: str, problem: str) -> dict[str, JsonValue]:
    """A rule about a range; the API server does not show the value of a list by itself."""
    shown = "'[' + self.join(', ') + '] ' + "
    return {**rule(expression, problem), "messageExpression": f"{shown}'{problem}'"}


# Two addresses compare in CEL only as numbers, and only IPv4 fits into one: reversed ranges of IPv6
# are found by the controller, which says so in the pool's condition.
_PAIR_RULES: list[JsonValue] = [
    _pair_rule("self.size() == 2", "is no range; write its first and its last address"),
    _pair_rule(
        f"!({_BOTH_ARE_IPS}) || ip(self[0]).family() == ip(self[1]).family()",
        "has addresses of two families; make a range, and a pool, of each",
    ),
    _pair_rule(
        f"!({_BOTH_ARE_IPS}) || ip(self[0]).family() != 4 || ip(self[1]).family() != 4"
        f" || {_ipv4_number('self[0]')} <= {_ipv4_number('self[1]')}",
        "is reversed; write the lower address first",
    ),
]
_ALLOCATED_RULES: list[JsonValue] = [
    rule(
        f"self.all(key, key.size() <= {IP_LENGTH})",
        f"has a key of more than {IP_LENGTH} characters, which no address has",
    )
]
_GRAMMAR = "r'" + GRAMMAR + "'"
_HAS_CIDR = "has(self.cidr) && self.cidr != ''"
_SPEC_RULES: list[JsonValue] = [
    rule(
        f"({_HAS_CIDR}) || (has(self.ranges) && self.ranges.size() > 0)",
        "has neither cidr nor ranges, so there are no addresses; write one of them",
    ),
    rule(
        f"!({_HAS_CIDR}) || !isCIDR(self.cidr) || !has(self.ranges) || self.ranges.all(range,"
        " range.all(one, !isIP(one) || cidr(self.cidr).containsIP(one)))",
        "ranges: one is not in cidr; move it there, or leave cidr out",
    ),
    rule(
        "!has(self.ranges) || self.ranges.size() == 0 || self.ranges.all(range, range.size() != 2"
        " || self.ranges[0].size() != 2 || !isIP(range[0]) || !isIP(self.ranges[0][0])"
        " || ip(range[0]).family() == ip(self.ranges[0][0]).family())",
        "ranges: they are of two families, and a pool has one; make another pool for the other one",
    ),
    rule(
        "!has(self.onlyServicePorts) || !self.onlyServicePorts || !has(self.placement)"
        " || self.placement != 'EveryNode'",
        "onlyServicePorts does not go with placement EveryNode; leave one of them out",
    ),
]

Link = Annotated[str, Field(max_length=LINK_LENGTH)]
"""Name of a link of a node."""
# The API server takes RE2; that Python takes it, too, is what the grammar sees to.
_PATTERN_RULES: list[JsonValue] = [
    rule(f"self.matches({_GRAMMAR})", f"is no pattern for links; {WAY_OUT}"),
    rule(
        "self.split('*').size() + self.split('+').size() + self.split('?').size()"
        f" + self.split('{{').size() <= {MOST_REPEATS + 4}",
        f"repeats too often; {WAY_OUT}",
    ),
]
LinkPattern = Annotated[
    str, Field(max_length=256, json_schema_extra={"x-kubernetes-validations": _PATTERN_RULES})
]
"""A regular expression that the whole name of a link must match."""
Placement = Literal["OneNode", "EveryNode"]
"""On how many nodes an address is."""


class Preference(Wire):
    """Nodes that are taken rather than others."""

    weight: Annotated[int, Field(ge=1, le=100)] = Field(
        description="Weights of all preferences that a node matches are added; the highest wins."
    )
    node_selector: LabelSelector = Field(description="Nodes that are meant.")


class IpClaimPoolSpec(Wire):
    """Which addresses there are, who gets them, and where they may be."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": _SPEC_RULES})

    cidr: Cidr = Field(
        default="",
        description="Network of the addresses, as in 192.168.0.248/29. Without ranges, all of its"
        " addresses but the first and the last of an IPv4 network are given out. Absent: ranges say"
        " all.",
    )
    ranges: Annotated[
        list[
            Annotated[
                list[Ip],
                Field(
                    max_length=2,
                    json_schema_extra={"x-kubernetes-validations": _PAIR_RULES},
                ),
            ]
        ],
        Field(max_length=MAX_RANGES),
    ] = Field(
        default_factory=list,
        description="Only these addresses are given out: first and last of each range. They lie in"
        " cidr, where there is one.",
    )
    allocated: Annotated[dict[str, Name], Field(max_length=_MAX_ALLOCATED)] = Field(
        default_factory=dict,
        description="Names of claims by address, as the first version kept them. It is read once,"
        " to take such addresses over, and never written.",
        json_schema_extra={"x-kubernetes-validations": _ALLOCATED_RULES},
    )
    exclude: Excluded = Field(default_factory=list)
    network: Network = DEFAULT_NETWORK
    namespaces: Annotated[list[Label], Field(max_length=256)] = Field(
        default_factory=list,
        description="Namespaces whose Services may have these addresses. With namespaceSelector,"
        " one of both suffices; without both, all may.",
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Labels of namespaces whose Services may have these addresses."
    )
    service_selector: LabelSelector | None = Field(
        default=None, description="Labels of Services that may have these addresses; absent: all."
    )
    priority: Annotated[int, Field(ge=0, le=1000000)] = Field(
        default=0, description="Pools of a lower number are asked first, then by name."
    )
    auto_assign: bool = Field(
        default=True,
        description="Whether Services that name neither this pool nor an address of it may"
        " get one.",
    )
    avoid_buggy_ips: bool = Field(
        default=False,
        description="Whether IPv4 addresses that end in .0 or .255 are not given out, since some"
        " devices drop their packets.",
    )
    share_across_namespaces: bool = Field(
        default=False,
        description="Whether Services of two namespaces may share an address by a sharing key.",
    )
    allow_external_ips: bool = Field(
        default=False,
        description="Whether addresses of this pool that a Service lists in spec.externalIPs are"
        " brought to a node.",
    )
    reuse_delay_seconds: ReuseDelay = 0
    nearly_full_percent: NearlyFull = NEARLY_FULL
    placement: Placement = Field(
        default="OneNode",
        description="OneNode: one node has the address and answers for it. EveryNode: every"
        " selected node has it on lo and none answers for it; routers balance by BGP.",
    )
    interface: Link = Field(
        default="",
        description="Link of the node that gets the addresses; empty, without interfacePattern:"
        " the one whose subnet has them.",
    )
    interface_pattern: LinkPattern = Field(
        default="",
        description="A regular expression for the whole name of that link, as in `eth[0-9]+`.",
    )
    node_selector: LabelSelector | None = Field(
        default=None, description="Labels of nodes that may have these addresses; absent: all."
    )
    preferences: Annotated[list[Preference], Field(max_length=32)] = Field(
        default_factory=list, description="Nodes that are taken rather than others."
    )
    only_service_ports: bool = Field(
        default=False,
        description="Whether a node drops what comes to an address of this pool and is neither for"
        " a port of its Services nor ICMP.",
    )
    ignore_exclude_label: bool = Field(
        default=False,
        description="Whether nodes with the label"
        " node.kubernetes.io/exclude-from-external-load-balancers may have these addresses.",
    )


class IpClaimPoolStatus(PoolStatus):
    """How many addresses there are, as of the last change."""

    waiting: int = Field(default=0, description="Services that wait for an address of this pool.")


DEFINITION = Definition(
    kind=IPCLAIMPOOLS,
    description="Addresses for Services.",
    spec=IpClaimPoolSpec,
    status=IpClaimPoolStatus,
    short_names=("icp",),
    columns=(
        Column("CIDR", "string", ".spec.cidr"),
        Column("Priority", "integer", ".spec.priority"),
        Column("Total", "string", ".status.total"),
        Column("Used", "integer", ".status.used"),
        Column("Free", "string", ".status.free"),
        Column("Waiting", "integer", ".status.waiting"),
        Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Age", "date", ".metadata.creationTimestamp"),
    ),
)
