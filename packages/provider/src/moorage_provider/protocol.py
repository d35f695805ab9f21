"""What Moorage asks of a cloud: one protocol over plain values.

A provider is a package with an entry point in the group ``moorage.providers`` that names a
factory ``create(options: Mapping[str, str]) -> Provider``. Options: ``region`` (may be empty: the
cloud's own defaults apply) and ``timeout_seconds`` (the deadline of one call). No Kubernetes
object crosses this line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Labels: TypeAlias = frozenset[tuple[str, str]]
"""Labels (Google), or tags (AWS, Azure), of a reservation: names with their values."""


@dataclass(frozen=True, slots=True)
class MachineHolder:
    """A virtual machine that holds an address.

    Attributes:
        machine_id: as ``Provider.machine_id`` gives it for the node's ``spec.providerID``.
        interface_id: the network interface, ``""`` where the cloud has no such object.
        misplaced: where on the machine it is, for people, if not on the node's own private address
            where ``attach`` and ``move`` put it; ``""`` = there, as far as known.
    """

    machine_id: str
    interface_id: str = ""
    misplaced: str = ""


@dataclass(frozen=True, slots=True)
class OtherHolder:
    """Something that is not a machine: a load balancer, a NAT gateway, a managed service.

    Attributes:
        description: what it is and its id, for people.
    """

    description: str


@dataclass(frozen=True, slots=True)
class UnknownHolder:
    """The cloud describes the address in a way that is not understood: anybody may have it.

    Attributes:
        description: what is not understood, one sentence for people.
    """

    description: str


@dataclass(frozen=True, slots=True)
class CloudAddress:
    """One reserved address as the cloud just described it.

    Attributes:
        ip: canonical text.
        reference: the cloud's id of the reservation (AllocationId, address name, resource id).
        holder: who has it now, ``None`` = certainly nobody. While it is unknown, nobody may change
            anything about the address.
        token: changes whenever the holder does; the fence of a mutation. ``""`` = no holder.
        location: where it may be used (region, network border group), ``""`` = unknown.
        labels: of the reservation; ``None`` = not known.
    """

    ip: str
    reference: str
    holder: MachineHolder | OtherHolder | UnknownHolder | None
    token: str = ""
    location: str = ""
    labels: Labels | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One virtual machine as the cloud just described it; read only before it is changed.

    Attributes:
        machine_id: the id asked for.
        interface_id: the interface that carries the node's own address.
        private_ip: the private address on that interface that will answer for the public one.
        running: whether the machine can serve traffic.
        location: comparable with ``CloudAddress.location``, ``""`` = unknown.
        zone: availability zone, ``""`` = unknown.
        public_ip: the public address on ``private_ip`` now, ``""`` = none.
        public_ip_reserved: it is a reserved one (which is never taken away), not an ephemeral one.
        cluster: the Kubernetes cluster it is marked as belonging to, ``""`` = none.
    """

    machine_id: str
    interface_id: str
    private_ip: str
    running: bool
    location: str = ""
    zone: str = ""
    public_ip: str = ""
    public_ip_reserved: bool = False
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many mutations a cloud documents that it takes.

    Attributes:
        most: so many...
        seconds: ...within so long.
    """

    most: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How this cloud moves an address; the planner orders its steps by it.

    Attributes:
        moves_in_one_call: ``move`` takes an address from one machine to another atomically.
        clears_target_first: ``prepare`` must free the target's interface before ``attach``.
        pace: no more mutations are sent; ``None`` = the cloud names no such number.
    """

    moves_in_one_call: bool
    clears_target_first: bool
    pace: Pace | None = None


@dataclass(frozen=True, slots=True)
class PendingMutation:
    """A mutation the cloud has accepted.

    Attributes:
        handle: what ``poll`` takes, also after a crash; ``""`` when already done.
        done: the effect is there.
        poll_after: seconds after which the cloud asks to be asked again, ``0`` = it does not say.
            It says the same of all its operations, so the first looks come sooner.
    """

    handle: str = ""
    done: bool = True
    poll_after: float = 0.0


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One finished call to the cloud's API, for metrics.

    Attributes:
        operation: the cloud's own name of it, such as ``AssociateAddress``.
        outcome: ``success``, or the name of the ``CloudError`` that it raised.
        seconds: from the first attempt to the last answer.
    """

    operation: str
    outcome: str
    seconds: float


def unfenced() -> None:
    """The fence until the caller sets one: everybody may write."""


def unobserved(request: ApiCall) -> None:
    """The ``on_call`` until the caller sets one: does nothing."""


class Provider(Protocol):
    """One cloud in one scope (account, region).

    Every call has a deadline and raises only ``CloudError``; none blocks the event loop. Repeating
    a mutation whose effect is already there succeeds and changes nothing. A cancelled call may
    still take effect: the caller reads again.
    """

    name: str
    capabilities: Capabilities
    # Set by the caller; called right before every request that changes something, the SDK's own
    # repeats included. It raises when this process may not write any more (lost leadership).
    fence: Callable[[], None]
    # Set by the caller; called after every call to the cloud's API, in the thread that made it.
    on_call: Callable[[ApiCall], None]

    def machine_id(self, provider_id: str) -> str | None:
        """The machine behind a node's ``spec.providerID``; ``None`` = not of this cloud. Pure."""
        ...

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        """Read all these addresses in bulk, cost independent of the number of machines.

        The answer has every other reserved address, too, that has all labels of one of
        ``selectors``, none of which is empty.

        An address that is absent from the answer certainly does not exist in this scope; where that
        is not certain, the call raises instead. What the cloud says of one address in a way that is
        not understood concerns that one only: its holder is an ``UnknownHolder``. With neither
        addresses nor selectors it reads nothing and only prepares for later calls, for example
        loads the SDK and finds credentials.
        """
        ...

    async def machine(self, machine_id: str) -> Machine:
        """Read one machine, just before it is changed. Raises ``MachineNotFound``."""
        ...

    def check(self, address: CloudAddress, machine: Machine) -> str | None:
        """Why this machine can never hold the address, in one sentence; ``None`` = it can. Pure."""
        ...

    async def prepare(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        """Remove the ephemeral public address that is in the way from the target's interface.

        Done at once, without a call, where there is none; ``address`` will be attached next.
        """
        ...

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        """Give a free address to a machine; raises ``InUse`` if anybody else holds it."""
        ...

    async def move(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        """Take an address from the holder it was read with to ``machine``; else ``Stale``.

        Only where ``capabilities.moves_in_one_call``. Never removes another reserved address from
        the target: raises ``InUse``.
        """
        ...

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        """Take an address from the holder it was read with; nobody holds it afterwards."""
        ...

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        """Give a machine an ephemeral public address again, after ``prepare`` removed its own.

        Does nothing where it has a public address.
        """
        ...

    def credentials_expiring(self) -> bool:
        """Whether credentials were last used shortly before their end, without being renewed.

        SDKs renew credentials well before their end, when they are used. Where that fails, every
        call will be refused within minutes. ``False`` before the first call, and where credentials
        have no end or it is not known. Pure; raises nothing.
        """
        ...

    async def poll(self, handle: str) -> PendingMutation:
        """Read the state of an accepted mutation; raises the error that it failed with.

        Raises ``StateUnread`` where it could not be read: the mutation goes on.
        """
        ...

    async def close(self) -> None:
        """Release connections and threads."""
        ...
