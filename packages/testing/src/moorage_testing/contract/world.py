"""What the provider contract asks of the cloud behind a provider, so as to arrange it by hand."""

from __future__ import annotations

import enum
from typing import Literal, Protocol

PATIENT_SECONDS = 15.0
IMPATIENT_SECONDS = 0.6
SLOW_SECONDS = 0.4

Asked = Literal["snapshot", "machine", "attach", "move", "detach"]


class Failure(enum.Enum):
    """What a cloud does instead of answering well."""

    THROTTLED = "too many calls"
    DENIED = "the right is missing"
    NO_ANSWER = "the connection breaks before the work"
    ANSWER_LOST = "the connection breaks after the work"
    SLOW = "the answer takes SLOW_SECONDS"
    HANGS = "the answer takes longer than IMPATIENT_SECONDS, whatever is tried"


class ContractWorld(Protocol):
    """The cloud behind the provider, arranged by hand.

    Attributes:
        secrets: texts of the credentials, which nobody may ever see.
    """

    secrets: tuple[str, ...]

    def add_machine(self) -> str:
        """Start a machine with an ephemeral public address; return its node's providerID."""
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
