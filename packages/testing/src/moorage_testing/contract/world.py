"""What the provider contract asks of the cloud behind a provider, so as to arrange it by hand."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal, Protocol

PATIENT_SECONDS = 15.0
IMPATIENT_SECONDS = 0.6
SLOW_SECONDS = 0.4

Asked = Literal["snapshot", "machine", "attach", "move", "detach"]
Counted = Asked | Literal["prepare", "compensate"]


class Failure(enum.Enum):
    """What a cloud does instead of answering well."""

    THROTTLED = "too many calls; asks to wait ContractWorld.retry_after_seconds"
    DENIED = "the right is missing"
    NO_ANSWER = "the connection breaks before the work"
    ANSWER_LOST = "the connection breaks after the work"
    SLOW = "the answer takes ContractWorld.slow_seconds"
    HANGS = "the work is done, but its answer takes longer than IMPATIENT_SECONDS"
    LATE = "the mutation is accepted and ends in an error, nothing having changed"


class ContractWorld(Protocol):
    """The cloud behind the provider, arranged by hand; inherit it for the defaults.

    Attributes:
        secrets: texts of the credentials, which nobody may ever see.
        calls: for each step of the provider, ``prepare`` and ``restore`` included, the most
            reads and the most mutations that it takes when all goes well; without ``poll``.
        lends_addresses: a fresh machine has an ephemeral public address lent by the cloud; else
            ``Machine.public_ip`` is ``""`` at first.
        accepts_operations: mutations can be accepted now and done, or fail, later; only then is
            ``Failure.LATE`` asked for.
        retry_after_seconds: how long a throttled answer asks to wait, ``None`` = it never says.
        slow_seconds: how long a slow answer takes; 5 s for clouds over HTTP.
    """

    secrets: tuple[str, ...]
    calls: Mapping[Counted, tuple[int, int]]
    lends_addresses: bool = True
    accepts_operations: bool = False
    retry_after_seconds: float | None = None
    slow_seconds: float = SLOW_SECONDS

    def add_machine(self) -> str:
        """Start a machine; return its node's providerID. See ``lends_addresses``."""
        ...

    def add_address(self, *, elsewhere: bool = False) -> str:
        """Reserve a fresh address; ``elsewhere`` = where none of the machines can use it."""
        ...

    def give(self, ip: str, machine_id: str | None) -> None:
        """Let a machine or nobody hold an address, as somebody else's doing."""
        ...

    def give_elsewhere(self, ip: str) -> None:
        """Let something that is no machine hold an address."""
        ...

    def remove_address(self, ip: str) -> None:
        """Give a reservation back."""
        ...

    def terminate(self, machine_id: str) -> None:
        """Delete a machine."""
        ...

    def fail(self, asked: Asked, failure: Failure) -> None:
        """Let all further calls that the provider makes for this fail."""
        ...

    def heal(self) -> None:
        """End all failures."""
        ...

    def reads(self) -> int:
        """How many reading calls came in so far."""
        ...

    def mutations(self) -> int:
        """How many mutating calls came in so far, repetitions by the SDK included."""
        ...
