"""One observation of the cloud and the cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """One reserved address.

    Attributes:
        ip: the address.
        holder: the node whose instance has it according to the cloud, ``""`` = nobody.
        phase: from the status, ``""``: none; the same for the fields below.
        node: the node in the status.
        message: why, in plain words.
        restore_pending: the status's nodes that wait for their own public address.
    """

    ip: str
    holder: str
    phase: str = ""
    node: str = ""
    message: str = ""
    restore_pending: frozenset[str] = frozenset()

    @property
    def agreed(self) -> bool:
        """Whether status and cloud agree, and nothing is left to do."""
        there = bool(self.holder) and self.node == self.holder
        return there and self.phase == "Bound" and self.restore_pending <= {self.holder}


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        name: its name.
        ready: the Ready condition: True, False or Unknown.
        cordoned: no pod may be scheduled there.
        labelled: it has the label of an address.
        pods: how many pods of the workload run there and are not being deleted.
    """

    name: str
    ready: str
    cordoned: bool
    labelled: bool
    pods: int


@dataclass(frozen=True, slots=True)
class Observed:
    """The whole state at one moment.

    Attributes:
        exists: the NetIPAllocation is there.
        addresses: in their fixed order.
        nodes: by name.
        changes: mutating calls to the cloud so far.
    """

    exists: bool
    addresses: tuple[Address, ...]
    nodes: tuple[Node, ...]
    changes: int

    @property
    def holders(self) -> tuple[str, ...]:
        """The holder of each address in the cloud."""
        return tuple(address.holder for address in self.addresses)

    @property
    def labelled(self) -> frozenset[str]:
        """The nodes with the label of an address."""
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

    def describe(self) -> str:
        """In a few lines, for whoever has to find out what is missing."""
        addresses = "\n".join(
            f"  {a.ip}: in the cloud on {a.holder or 'nobody'}, in the status"
            f" {a.phase or 'not there'} on {a.node or 'nobody'}. {a.message}"
            for a in self.addresses
        )
        nodes = ", ".join(
            f"{n.name} Ready={n.ready}{' cordoned' if n.cordoned else ''}"
            f"{' labelled' if n.labelled else ''} pods={n.pods}"
            for n in self.nodes
        )
        return f"{addresses}\n  {nodes}"
