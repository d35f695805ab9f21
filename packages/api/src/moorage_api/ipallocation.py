"""IPAllocation: one address in use; since its name is the address, it has one owner."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from moorage_api.bounds import Identifier, Label, Message, Name, Timestamp
from moorage_api.crds import Column, Definition
from moorage_api.wire import Wire, rule
from moorage_domain.kinds import Kind

IPALLOCATIONS = Kind("moorage.dev", "v1alpha1", "ipallocations", "IPAllocation", namespaced=False)

DEFAULT_NETWORK = "default"
"""Of pools that name none: addresses of one network are different machines' addresses."""

_ADDRESS_RULES: list[JsonValue] = [
    rule("isIP(self)", "is no IP address; write one like 192.0.2.10 or 2001:db8::1"),
    rule(
        "!isIP(self) || ip.isCanonical(self)",
        "is not in the shortest form; write 2001:db8::1 for 2001:0db8::0001",
    ),
    rule("self == oldSelf", "cannot be changed; delete the IPAllocation and create another one"),
]
_NETWORK_RULES: list[JsonValue] = [
    rule(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "is no name of a network; write lower-case letters, digits and dashes, as in lab-1",
    ),
    rule("self == oldSelf", "cannot be changed; delete the IPAllocation and create another one"),
]

Network = Annotated[
    str,
    Field(
        min_length=1, max_length=63, json_schema_extra={"x-kubernetes-validations": _NETWORK_RULES}
    ),
]
"""Name of a network: pools of one network never give one address twice."""


class Owner(Wire):
    """The object that an address belongs to."""

    api_version: Annotated[str, Field(max_length=317)] = Field(
        default="", description="Its apiVersion."
    )
    kind: Label = Field(default="", description="Its kind.")
    namespace: Label = Field(default="", description="Its namespace; empty: it is in none.")
    name: Name = Field(description="Its name.")
    uid: Identifier = Field(
        default="", description="Its uid; empty: any object of this name, once it is there."
    )


class PoolRef(Wire):
    """The pool that an address was taken from."""

    api_group: Annotated[str, Field(max_length=253)] = Field(
        default="", description="API group of the pool."
    )
    kind: Label = Field(default="", description="Kind of the pool.")
    namespace: Label = Field(default="", description="Namespace of the pool; empty: it is in none.")
    name: Name = Field(description="Name of the pool.")


class Reservation(Wire):
    """For how long an address waits for its owner."""

    until: Timestamp = Field(
        description="When the address is given back, if its owner has not come by then."
    )
    request: Identifier = Field(
        description="The admission request that reserved it, or used the reservation last."
    )


class IPAllocationSpec(Wire):
    """Which address, and whose it is."""

    address: Annotated[str, Field(max_length=39)] = Field(
        description="The address, in its canonical form.",
        json_schema_extra={"x-kubernetes-validations": _ADDRESS_RULES},
    )
    network: Network = Field(
        default=DEFAULT_NETWORK,
        description="Network of the address: equal addresses of two networks are two addresses.",
    )
    pool_ref: PoolRef | None = None
    owner: Owner | None = Field(
        default=None,
        description="Object that the address belongs to; absent: a person has reserved it, and it"
        " is never given out until that person deletes this IPAllocation.",
    )

    slot: Label = Field(
        default="",
        description="Which of its owner's addresses this is, as in device-0-ipv4; empty: the owner"
        " has no more than this one.",
    )
    reservation: Reservation | None = Field(
        default=None,
        description="Set while the owner is only about to be created: it has a name, and no uid.",
    )


class IPAllocationStatus(Wire):
    """How far the address is."""

    phase: Literal["Bound", "Reserved", "Quarantined", "Moved"] = Field(
        default="Bound",
        description="Bound: its owner has it, or a person has reserved it. Reserved: its owner is"
        " about to be created, see spec.reservation. Quarantined: released, and not given out"
        " again before its pool's reuse delay has passed. Moved: its owner went to another cluster"
        " and took it along; it is kept until a person deletes this object.",
    )
    since: Timestamp = Field(default="", description="When it came into this phase.")
    owner_deleting: bool = Field(
        default=False,
        description="Whether its owner is being deleted: once the owner is gone, the address is"
        " released at once.",
    )
    message: Message = Field(default="", description="Why, in plain words.")


DEFINITION = Definition(
    kind=IPALLOCATIONS,
    description="One address in use. Its name is its network and its address, so that the API"
    " server sees to it that no address has two owners.",
    spec=IPAllocationSpec,
    status=IPAllocationStatus,
    short_names=("ipa",),
    columns=(
        Column("Address", "string", ".spec.address"),
        Column("Owner", "string", ".spec.owner.name"),
        Column("Kind", "string", ".spec.owner.kind"),
        Column("Phase", "string", ".status.phase"),
        Column("Since", "date", ".status.since"),
    ),
    # An address is bound by one write.
    status_subresource=False,
)
