"""IpClaim: one address, the Services that use it, and the node that has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from moorage_api.bounds import Identifier, Label, Message, Name, NodeName, Timestamp
from moorage_api.conditions import Conditions
from moorage_api.crds import Column, Definition
from moorage_api.ipclaimpool import Link, LinkPattern, Placement
from moorage_api.wire import Wire, rule
from moorage_domain.kinds import Kind

IPCLAIMS = Kind("ipcontroller.ext", "v1", "ipclaims", "IpClaim", namespaced=False)

NODE_LABEL = "ipnode"
"""Label of a claim: the node that it is on. An agent watches those of its own node only."""
POOL_LABEL = "ip-pool-name"
"""Label of a claim: the pool of its address."""
EVERY_NODE = "EveryNode"
"""Value of ``NODE_LABEL`` where all nodes of ``spec.nodeNames`` have the address; no node has this
name, since names have no capitals."""

MAX_SERVICES = 64
MAX_SERVICE_PORTS = 256
MAX_PORTS = 1024
MAX_NODES = 1024
MAX_TRIED = 32
_MAX_HEALTH_PORTS = 64
_MAX_MACS = 32

_CIDR_RULES: list[JsonValue] = [
    rule(
        "isCIDR(self)",
        "is no address with its length; write one like 10.0.0.7/24 or 2001:db8::1/64",
    ),
    rule(
        "self == oldSelf",
        "cannot be changed, since claims are named by their address; make another claim",
    ),
]
_NODE_RULES: list[JsonValue] = [
    rule("self.all(key, key.size() <= 253)", "has a name of more than 253 characters")
]


class ClaimPort(Wire):
    """A port that a Service answers at."""

    protocol: Literal["TCP", "UDP", "SCTP"] = Field(default="TCP", description="Its protocol.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Its number.")


class ClaimService(Wire):
    """A Service that uses the address."""

    namespace: Label = Field(description="Its namespace.")
    name: Name = Field(description="Its name.")
    uid: Identifier = Field(default="", description="Its uid.")
    sharing_key: Annotated[str, Field(max_length=253)] = Field(
        default="", description="Services of the same key may share the address; empty: none may."
    )
    ports: Annotated[list[ClaimPort], Field(max_length=MAX_SERVICE_PORTS)] = Field(
        default_factory=list, description="Ports that it answers at."
    )
    local: bool = Field(default=False, description="Whether its external traffic policy is Local.")


class Previous(Wire):
    """The node that had the address last: its answer to a probe is no conflict."""

    node_name: NodeName = Field(default="", description="Its name.")
    macs: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=_MAX_MACS)] = (
        Field(default_factory=list, description="Hardware addresses of its links.")
    )


class IpClaimSpec(Wire):
    """Which address, who uses it, and where it shall be."""

    cidr: Annotated[
        str,
        Field(
            min_length=1,
            max_length=49,
            json_schema_extra={"x-kubernetes-validations": _CIDR_RULES},
        ),
    ] = Field(description="The address, with the length of its network, as in 10.0.0.7/24.")
    node_name: NodeName = Field(
        default="", description="Node that shall have the address; empty: none has been chosen."
    )
    link: Annotated[str, Field(max_length=64)] = Field(
        default="", description="Kept for claims of the first version, which never read it."
    )
    placement: Placement = Field(default="OneNode", description="On how many nodes the address is.")
    node_names: Annotated[list[NodeName], Field(max_length=MAX_NODES)] = Field(
        default_factory=list, description="With EveryNode: nodes that shall have the address."
    )
    interface: Link = Field(
        default="", description="Link of the node that gets the address, as the pool says it."
    )
    interface_pattern: LinkPattern = Field(
        default="", description="A regular expression for that link, as the pool says it."
    )
    ports: Annotated[list[ClaimPort], Field(max_length=MAX_PORTS)] = Field(
        default_factory=list,
        description="Only what is for these ports, or is ICMP, is let through; empty: everything.",
    )
    health_check_node_ports: Annotated[
        list[Annotated[int, Field(ge=1, le=65535)]], Field(max_length=_MAX_HEALTH_PORTS)
    ] = Field(
        default_factory=list,
        description="Ports of the node that say whether it has endpoints of the Services with"
        " policy Local: each is asked before the node takes the address.",
    )
    services: Annotated[list[ClaimService], Field(max_length=MAX_SERVICES)] = Field(
        default_factory=list, description="Services that use the address, at most 64."
    )
    previous: Previous | None = Field(default=None, description="Who had the address last.")


class ClaimNode(Wire):
    """What a node says about the address."""

    state: Literal[
        "Announced", "Probing", "Conflict", "WaitingForProxy", "NoLink", "Refused", "Yielded"
    ] = Field(
        description="Announced: it has the address and says so. Probing: it asks whether somebody"
        " else has it. Conflict: somebody else has it. WaitingForProxy: its service proxy is not"
        " healthy yet. NoLink: it has no fitting link. Refused: its kernel did not take the"
        " address. Yielded: another machine announced the address, so it let go."
    )
    link: Annotated[str, Field(max_length=64)] = Field(default="", description="Link that has it.")
    mac: Annotated[str, Field(max_length=64)] = Field(
        default="",
        description="Hardware address of that link; with Conflict and Yielded, of the"
        " other machine.",
    )
    message: Message = Field(default="", description="The same in plain words.")
    since: Timestamp = Field(default="", description="When it came into this state.")


class ClaimTry(Wire):
    """A node that the address left, since it could not have it."""

    node: NodeName = Field(description="Its name.")
    state: Annotated[str, Field(max_length=64)] = Field(description="What it said.")
    mac: Annotated[str, Field(max_length=64)] = Field(
        default="", description="Hardware address of the other machine, where it heard one."
    )
    message: Message = Field(default="", description="The same in plain words.")
    since: Timestamp = Field(default="", description="When it said so.")


class IpClaimStatus(Wire):
    """What is, as of the last change."""

    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that this status answers."
    )
    nodes: Annotated[dict[str, ClaimNode], Field(max_length=MAX_NODES)] = Field(
        default_factory=dict,
        description="What each node says; a node writes its own entry only.",
        json_schema_extra={"x-kubernetes-validations": _NODE_RULES},
    )
    tried: Annotated[list[ClaimTry], Field(max_length=MAX_TRIED)] = Field(
        default_factory=list,
        description="Nodes that the address left, since they could not have it; gone once a node"
        " has it.",
    )
    announced: bool | None = Field(
        default=None,
        description="Whether any node has had the address since the claim was made. Such an address"
        " is kept, whatever machine answers for it.",
    )
    taken: bool | None = Field(
        default=None,
        description="Whether another machine has had the address before any node. A Service that"
        " asks for no certain address gets another one.",
    )
    conditions: Conditions = Field(
        default_factory=list, description="Ready, and others; the controller writes them."
    )


DEFINITION = Definition(
    kind=IPCLAIMS,
    description="One address, the Services that use it, and the node that has it.",
    spec=IpClaimSpec,
    status=IpClaimStatus,
    short_names=("icl",),
    columns=(
        Column("Address", "string", ".spec.cidr"),
        Column("Node", "string", ".metadata.labels.ipnode"),
        Column("Service", "string", ".spec.services[*].name"),
        Column("Phase", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Age", "date", ".metadata.creationTimestamp"),
    ),
)
