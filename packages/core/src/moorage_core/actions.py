"""What the core controller can do: the actions a plan is made of, each of which may be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from moorage_core.model import HAVE_A_CHOICE, Mutation, NodeReference
from moorage_core.pods import EvictPod
from moorage_core.words import task
from moorage_domain.nodes import Node
from moorage_provider.protocol import CloudAddress


@dataclass(frozen=True, slots=True)
class LabelNode:
    """Label a node that verifiably holds an address."""

    node: Node
    ip: str

    def __str__(self) -> str:
        return f"label node {self.node.name} with {self.ip}"


@dataclass(frozen=True, slots=True)
class UnlabelNode:
    """Remove the labels from a node that holds no address of ours."""

    node: Node

    def __str__(self) -> str:
        return f"take the labels off node {self.node.name}"


@dataclass(frozen=True, slots=True)
class RemoveTaint:
    """Remove the taint that kept pods off a node until it had its address."""

    node: Node
    key: str

    def __str__(self) -> str:
        return f"take the taint {self.key} off node {self.node.name}"


@dataclass(frozen=True, slots=True)
class Mutate:
    """Begin a mutation; it goes on in the background, one per address and per node.

    Attributes:
        allocation: name of the object it is for.
        ip: the address.
        address: the cloud state it rests on, whose token fences it.
        node_ref: the target, or for a detach the node it is taken from.
        machine_id: the target's machine, ``""`` for a detach.
        request_id: the same for every repeat of this mutation.
        only_unmanaged: refuse when the present holder belongs to another cluster.
        may_strip: the status already says that the target's own public address is taken.
        handle: the cloud has accepted it already: only ask how it ended.
        previous: the node that a move takes it from, whose labels come off once the target was
            found fit; ``None`` = none of ours.
        allocation_uid: of the object it is for.
        attempts: failed attempts before this one.
    """

    mutation: Mutation
    allocation: str
    ip: str
    address: CloudAddress
    node_ref: NodeReference | None
    machine_id: str
    request_id: str
    only_unmanaged: bool = False
    may_strip: bool = False
    handle: str = ""
    previous: NodeReference | None = None
    allocation_uid: str = ""
    attempts: int = 0

    @property
    def operation(self) -> str:
        """What the status calls it."""
        return f"{self.mutation}/{self.request_id}"

    @property
    def target_unseen(self) -> bool:
        """Whether it is not known yet that its target has a public address of its own."""
        return self.mutation in HAVE_A_CHOICE and not self.may_strip and not self.handle

    def __str__(self) -> str:
        return task(self.mutation, self.ip, self.node_ref.name if self.node_ref else "")


@dataclass(frozen=True, slots=True)
class Reread:
    """Read one address again after some seconds: the cloud has not shown a change yet."""

    reads_only: ClassVar[bool] = True

    ip: str
    after: float

    def __str__(self) -> str:
        return f"read {self.ip} again"


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask a cloud that cannot be read again soon: an address has to move."""

    reads_only: ClassVar[bool] = True

    def __str__(self) -> str:
        return "read the cloud again soon"


@dataclass(frozen=True, slots=True)
class CountPods:
    """Ask the API server which pods run on nodes: the cache may be out of date."""

    reads_only: ClassVar[bool] = True

    node_names: tuple[str, ...]

    def __str__(self) -> str:
        return f"count the pods of {', '.join(self.node_names)}"


@dataclass(frozen=True, slots=True)
class AskMachine:
    """Read the machine of a node from its cloud: whether it has an address of an allocation."""

    reads_only: ClassVar[bool] = True

    node: Node

    def __str__(self) -> str:
        return f"read the machine of node {self.node.name}"


NodeChange: TypeAlias = LabelNode | UnlabelNode | RemoveTaint
Action: TypeAlias = NodeChange | Mutate | Reread | Probe | CountPods | EvictPod
