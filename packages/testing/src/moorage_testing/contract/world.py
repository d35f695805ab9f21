"""The interface by which the provider contract changes the cloud behind a provider."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal, Protocol

PATIENT_SECONDS = 15.0
IMPATIENT_SECONDS = 0.6
SLOW_SECONDS = 0.4

Step = Literal["snapshot", "machine", "attach", "move", "detach"]
FailingStep = Step | Literal["poll"]
CountedStep = Step | Literal["prepare", "restore"]


class Failure(enum.Enum):
    """A way in which a cloud fails."""

    THROTTLED = "too many calls; asks to wait ContractWorld.retry_after_seconds"
    DENIED = "the right is missing"
    FORBIDDEN = "the right is there, but a policy of the organisation forbids the change"
    NO_ANSWER = "the connection breaks before the work"
    ANSWER_LOST = "the connection breaks after the work"
    SLOW = "the answer takes ContractWorld.slow_seconds"
    HANGS = "the work is done, but its answer takes longer than IMPATIENT_SECONDS"
    LATE = "the mutation is accepted and ends in an error, nothing having changed"


class ContractWorld(Protocol):
    """The cloud behind the provider, changed directly; inherit it for the defaults.

    Attributes:
        secrets: texts of the credentials, which must never be shown.
        calls: for each step of the provider, ``prepare`` and ``restore`` included, the most
            reads and the most mutations that it takes when all goes well; without ``poll``.
        assigns_ephemeral_addresses: a new machine has an ephemeral public address; else its
            ``Machine.public_ip`` is ``""``.
        accepts_operations: mutations can be accepted now and done, or fail, later; only then is
            ``Failure.LATE`` used.
        has_odd_rows: ``spoil`` works.
        has_ipv6_only_machines: ``take_ipv4`` works.
        has_interfaces: ``add_interface`` and ``give_beside`` work.
        retry_after_seconds: how long a throttled answer asks to wait, ``None`` = it never says.
        slow_seconds: how long a slow answer takes; 5 s for clouds over HTTP.
    """

    secrets: tuple[str, ...]
    calls: Mapping[CountedStep, tuple[int, int]]
    assigns_ephemeral_addresses: bool = True
    accepts_operations: bool = False
    has_odd_rows: bool = False
    has_ipv6_only_machines: bool = False
    has_interfaces: bool = False
    retry_after_seconds: float | None = None
    slow_seconds: float = SLOW_SECONDS

    def add_machine(self) -> str:
        """Start a machine; return its node's providerID. See ``assigns_ephemeral_addresses``."""
        ...

    def add_address(self, *, elsewhere: bool = False) -> str:
        """Reserve a fresh address; ``elsewhere`` = where none of the machines can use it."""
        ...

    def label(self, ip: str, labels: Mapping[str, str]) -> None:
        """Give a reservation these labels or tags, and no others."""
        ...

    def give(self, ip: str, machine_id: str | None) -> None:
        """Make a machine or nobody hold an address, as if somebody else had done it."""
        ...

    def give_elsewhere(self, ip: str) -> None:
        """Make something that is no machine hold an address."""
        ...

    def remove_address(self, ip: str) -> None:
        """Release a reservation."""
        ...

    def spoil(self, ip: str) -> None:
        """Make the cloud describe this one address in a way that nobody understands.

        Called only with ``has_odd_rows``.
        """
        ...

    def take_ipv4(self, machine_id: str) -> None:
        """Leave a machine with IPv6 only; called only with ``has_ipv6_only_machines``."""
        ...

    def give_beside(self, ip: str, machine_id: str) -> None:
        """Make a machine hold an address on a second interface; only with ``has_interfaces``."""
        ...

    def add_interface(self, machine_id: str) -> None:
        """Give a machine a second network interface; called only with ``has_interfaces``."""
        ...

    def terminate(self, machine_id: str) -> None:
        """Delete a machine."""
        ...

    def fail(self, step: FailingStep, failure: Failure) -> None:
        """Make all further calls of this step fail; ``poll`` only with ``accepts_operations``."""
        ...

    def heal(self) -> None:
        """End all failures."""
        ...

    def reads(self) -> int:
        """The number of reading calls so far."""
        ...

    def mutations(self) -> int:
        """The number of mutating calls so far, including repeats by the SDK."""
        ...
