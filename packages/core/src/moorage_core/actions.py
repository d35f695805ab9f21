"""What the core controller can do: the actions a plan is made of, each of which may be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from moorage_core.model import Mutation, NodeReference
from moorage_core.pods import EvictPod
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

    def __str__(self) -> str:
        node = f" for node {self.node_ref.name}" if self.node_ref else ""
        return f"ask the cloud to {self.mutation} {self.ip}{node}"


@dataclass(frozen=True, slots=True)
class Reread:
    """Read one address again after some seconds: the cloud has not shown a change yet."""

    reads_only: ClassVar[bool] = True

    ip: str
    after: float

    def __str__(self) -> str:
        return f"read {self.ip} again"


@dataclass(frozen=True, slots=True)
class CountPods:
    """Ask the API server which pods run on nodes: the cache may be out of date."""

    reads_only: ClassVar[bool] = True

    node_names: tuple[str, ...]

    def __str__(self) -> str:
        return f"count the pods of {', '.join(self.node_names)}"


NodeChange: TypeAlias = LabelNode | UnlabelNode | RemoveTaint
Action: TypeAlias = NodeChange | Mutate | Reread | CountPods | EvictPod
