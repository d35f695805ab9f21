"""The interface by which tests change an emulated cloud directly, whatever its API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Instance:
    """The properties of a virtual machine that tests use.

    Attributes:
        id: as ``Provider.machine_id`` gives it for the node's ``spec.providerID``.
        zone: its availability zone.
        private_ip: the primary private IPv4 address of its first interface, ``""`` = none.
        interface_id: that interface.
        provider_id: its node's ``spec.providerID``.
    """

    id: str
    zone: str
    private_ip: str
    interface_id: str
    provider_id: str


class World(Protocol):
    """One region of one account. Its methods are not logged as calls.

    Machines are named by ``Instance.id``, addresses by their text. A missing one raises
    ``KeyError``.
    """

    def add_instances(
        self, count: int, *, tags: Mapping[str, str] | None = None, with_public_ip: bool = True
    ) -> Sequence[Instance]:
        """Start machines; ``with_public_ip``: with an ephemeral public address."""
        ...

    def add_address(self, ip: str) -> str:
        """Reserve an address; return the cloud's id of the reservation."""
        ...

    def label(self, ip: str, labels: Mapping[str, str]) -> None:
        """Give a reservation these labels (Google) or tags, and no others."""
        ...

    def remove_address(self, ip: str) -> None:
        """Free an address and release its reservation."""
        ...

    def spoil(self, ip: str, *, spoiled: bool = True) -> None:
        """Have the cloud describe an address in a way that nobody understands, or not any more."""
        ...

    def associate(self, ip: str, instance_id: str) -> None:
        """Give an address to a machine, whoever had it."""
        ...

    def associate_elsewhere(self, ip: str) -> str:
        """Give an address to something that is no machine; return its id."""
        ...

    def add_interface(self, instance_id: str) -> str:
        """Give a machine a second network interface, as a CNI does; return its name or id."""
        ...

    def associate_beside(self, ip: str, instance_id: str) -> None:
        """Give an address to a machine on a second network interface of its own."""
        ...

    def is_beside(self, ip: str) -> bool:
        """Whether an address is on a machine, but not on the machine's own private address."""
        ...

    def disassociate(self, ip: str) -> None:
        """Free an address."""
        ...

    def terminate(self, instance_id: str) -> None:
        """Delete a machine."""
        ...

    def take_ipv4(self, instance_id: str) -> None:
        """Leave a machine with IPv6 only; ``NotImplementedError`` where no machine can be so."""
        ...

    def stop(self, instance_id: str) -> None:
        """Stop a machine; it keeps its reserved address."""
        ...

    def start(self, instance_id: str) -> None:
        """Start a stopped machine."""
        ...

    def holder(self, ip: str) -> str:
        """The machine that has an address, ``""`` = none."""
        ...

    def addresses(self) -> Mapping[str, str]:
        """All reserved addresses with the cloud's ids of them."""
        ...

    def instances(self) -> Sequence[Instance]:
        """All machines that are not deleted."""
        ...
