"""What one look at the cloud and the cluster saw."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """One reserved address.

    Attributes:
        ip: the address.
        holder: the node whose instance has it according to the cloud, ``""`` = nobody.
        phase: what the status says, ``""`` = nothing; the same for the others.
        node: the node in the status.
        message: why, in plain words.
        owed: nodes that gave up a public address of their own for this one, says the status.
    """

    ip: str
    holder: str
    phase: str = ""
    node: str = ""
    message: str = ""
    owed: frozenset[str] = frozenset()

    @property
    def agreed(self) -> bool:
        """Whether the status says of the cloud what the cloud says, and nothing is left to do."""
        there = bool(self.holder) and self.node == self.holder
        return there and self.phase == "Bound" and self.owed <= {self.holder}


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        name: its name.
        ready: the Ready condition: True, False or Unknown.
        cordoned: no pod may be scheduled there.
        labelled: it says that it has an address.
        pods: how many pods of the workload run there and are not being deleted.
    """

    name: str
    ready: str
    cordoned: bool
    labelled: bool
    pods: int


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it at one moment.

    Attributes:
        exists: the NetIPAllocation is there.
        addresses: in their fixed order.
        nodes: by name.
        changes: calls so far that changed something in the cloud.
    """

    exists: bool
    addresses: tuple[Address, ...]
    nodes: tuple[Node, ...]
    changes: int

    @property
    def holders(self) -> tuple[str, ...]:
        """Who has each address in the cloud."""
        return tuple(address.holder for address in self.addresses)

    @property
    def labelled(self) -> frozenset[str]:
        """The nodes that say they have an address."""
        return frozenset(node.name for node in self.nodes if node.labelled)

    @property
    def busy(self) -> frozenset[str]:
        """The nodes where the workload runs."""
        return frozenset(node.name for node in self.nodes if node.pods)

    def node(self, name: str) -> Node:
        """One node. Raises KeyError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
