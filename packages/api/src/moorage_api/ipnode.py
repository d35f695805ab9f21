"""IpNode: what is known of a node's agent, as the first version showed it; a mirror, never read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from moorage_api.bounds import Message, Timestamp
from moorage_api.conditions import Conditions
from moorage_api.crds import Column, Definition
from moorage_api.wire import Wire
from moorage_domain.kinds import Kind

IPNODES = Kind("ipcontroller.ext", "v1", "ipnodes", "IpNode", namespaced=False)

MAX_LINKS = 32
_MAX_SUBNETS = 64


class NodeLink(Wire):
    """A link of the node."""

    name: Annotated[str, Field(max_length=64)] = Field(description="Its name.")
    mac: Annotated[str, Field(max_length=64)] = Field(
        default="", description="Its hardware address."
    )
    carrier: bool = Field(default=False, description="Whether something is at its other end.")
    subnets: Annotated[
        list[Annotated[str, Field(max_length=49)]], Field(max_length=_MAX_SUBNETS)
    ] = Field(default_factory=list, description="Its addresses with their lengths.")
    problem: Message = Field(default="", description="Why it gets no address; empty: it may.")


class IpNodeTop(Wire):
    """What the first version had beside spec and status."""

    revision: Annotated[str, Field(alias="Revision", max_length=20, pattern=r"^[0-9]*$")] = Field(
        default="",
        alias="Revision",
        description="A number, as text, that grew with each sign of life; it is kept as it was.",
    )


class IpNodeStatus(Wire):
    """What the node's Lease says."""

    live: bool = Field(default=False, description="Whether its agent gives signs of life.")
    draining: bool = Field(default=False, description="Whether its agent is leaving for good.")
    hold_until: Timestamp = Field(
        default="",
        description="Until when nothing of this node is moved, since its agent is restarting.",
    )
    links: Annotated[list[NodeLink], Field(max_length=MAX_LINKS)] = Field(
        default_factory=list, description="Its links that can have addresses."
    )
    conditions: Conditions = Field(default_factory=list, description="Ready, and others.")


DEFINITION = Definition(
    kind=IPNODES,
    description="What is known of a node's agent: a mirror of its Lease.",
    spec=None,
    status=IpNodeStatus,
    columns=(
        Column("Live", "string", ".status.live"),
        Column("Draining", "string", ".status.draining"),
        Column("Age", "date", ".metadata.creationTimestamp"),
    ),
    top=IpNodeTop,
)
