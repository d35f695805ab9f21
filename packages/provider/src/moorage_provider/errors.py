"""What can go wrong in a cloud, sorted by what the caller can do about it.

Every provider maps its SDK's errors to these in one place. The message names the object, the
cloud's own code and the number that matters, so that it can stand in a condition unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from moorage_domain.errors import Disposition, MendedElsewhere
from moorage_domain.redaction import redacted


@dataclass(eq=False)
class CloudError(MendedElsewhere):
    """A call to the cloud failed; the base class of all errors below.

    Attributes:
        message: one sentence for people, safe to show (no secret, no request headers).
        code: the cloud's own error code, ``""`` where it gave none.
    """

    message: str
    code: str = ""

    def __post_init__(self) -> None:
        # SDKs quote what they sent.
        self.message = redacted(self.message)

    def __str__(self) -> str:
        return self.message


class Stale(CloudError):
    """The cloud's state differs from what was read: read again, then decide again."""

    disposition: ClassVar[Disposition] = Disposition.STALE
    retry_after = None


@dataclass(eq=False)
class InUse(CloudError):
    """The address or the target's interface is held by somebody else.

    Attributes:
        owner: who holds it, as the cloud names it.
    """

    owner: str = ""


class AddressNotFound(CloudError):
    """The cloud answered that this address does not exist in the scope."""

    disposition: ClassVar[Disposition] = Disposition.STALE
    retry_after = None


class MachineNotFound(CloudError):
    """The cloud answered that this machine does not exist (any more)."""

    disposition: ClassVar[Disposition] = Disposition.STALE
    retry_after = None


class MachineUnfit(CloudError):
    """This machine cannot hold this address: region, state, kind or an address it already has."""

    disposition: ClassVar[Disposition] = Disposition.REFUSED
    retry_after = None


@dataclass(eq=False)
class Retry(CloudError):
    """Nothing is wrong with the request; the same call may succeed later.

    Attributes:
        retry_after: seconds the cloud asked to wait, ``None`` where it did not say.
    """

    retry_after: float | None = None


class Throttled(Retry):
    """Too many calls: slow down for the whole scope."""


class Locked(Retry):
    """Another operation holds this one resource: wait for that resource only."""


class Unavailable(Retry):
    """No usable answer: network, timeout or the cloud's own failure. The effect is unknown."""


class StateUnread(Unavailable):
    """What became of an accepted mutation could not be read: it goes on, and its handle counts."""


@dataclass(eq=False)
class Denied(CloudError):
    """The credentials lack a right, or a policy of the organisation forbids what they ask for.

    Attributes:
        permission: the missing permission, or the policy that forbids it, as the cloud spells it.
    """

    permission: str = ""


class CredentialsRejected(CloudError):
    """There are no credentials, or the cloud does not accept them."""


class QuotaExceeded(CloudError):
    """A limit of the account is reached; only its owner can raise it."""


class Unsupported(CloudError):
    """This cloud can never do this for such a resource."""

    disposition: ClassVar[Disposition] = Disposition.REFUSED
    retry_after = None


class InvalidOptions(CloudError):
    """The provider cannot start with these options; the message names the one to change."""

    disposition: ClassVar[Disposition] = Disposition.REFUSED
    retry_after = None
