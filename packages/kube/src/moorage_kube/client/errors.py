"""Errors: what the API server refuses or cannot do, by what the caller can answer."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import orjson

from moorage_domain import waits
from moorage_domain.errors import Disposition, MendedElsewhere, MoorageError
from moorage_domain.redaction import redacted

_TEXT_LIMIT = 300


class KubeError(MoorageError):
    """A request that did not get what it asked for.

    Attributes:
        status: HTTP status; 0 = no answer came.
        reason: one CamelCase word, the API server's own where it gave one.
        message: the same in plain words.
        what: the request, as in ``GET nodes/n1``.
    """

    def __init__(self, status: int, reason: str, message: str, what: str) -> None:
        super().__init__(status, reason, message, what)
        self.status = status
        self.reason = reason
        self.message = redacted(message)
        self.what = what

    def __str__(self) -> str:
        number = f"{self.status} " if self.status else ""
        return f"{self.what}: {self.message} ({number}{self.reason})"


class NotFound(KubeError):
    """404: there is no such object, or no such kind."""

    disposition: ClassVar[Disposition] = Disposition.STALE


class Conflict(KubeError):
    """409: the object has changed since it was read; read it again."""

    disposition: ClassVar[Disposition] = Disposition.STALE


class AlreadyExists(KubeError):
    """409: somebody has taken this name."""

    disposition: ClassVar[Disposition] = Disposition.STALE


class Gone(KubeError):
    """410: the resourceVersion or continue token is too old; list again."""

    disposition: ClassVar[Disposition] = Disposition.STALE


class Forbidden(MendedElsewhere, KubeError):
    """403: the credentials lack this right, or admission refused."""


class Unauthorized(MendedElsewhere, KubeError):
    """401: the API server does not take the credentials."""


class Invalid(KubeError):
    """400 or 422: the request can never succeed as it is, or a test in a JSON patch failed."""

    disposition: ClassVar[Disposition] = Disposition.REFUSED


class Throttled(KubeError):
    """429: too many requests, or an eviction that a disruption budget does not allow now.

    Attributes:
        retry_after: seconds the API server asks to wait, at most 600; ``None``: it did not say.
    """

    def __init__(
        self, status: int, reason: str, message: str, what: str, retry_after: float | None = None
    ) -> None:
        super().__init__(status, reason, message, what)
        self.retry_after = retry_after


class Unavailable(KubeError):
    """5xx, a lost connection or no answer in time: whether the work was done is unknown."""


_BY_STATUS: Final[Mapping[int, type[KubeError]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: Gone,
    422: Invalid,
}
# A merge patch for another uid is no conflict to the API server, but a uid that may not change.
_ANOTHER_UID = re.compile(r"metadata\.uid: Invalid value: .*: field is immutable")
_THROTTLED = 429
_SERVER_ERROR = 500


def from_response(
    status: int, body: bytes | Mapping[str, Any], what: str, retry_after: str | None = None
) -> KubeError:
    """The error that an answer means; the one place that maps.

    ``body`` is the answer's content or a ``Status`` object already read; ``retry_after`` is the
    header of that name. ``what`` is the request, as in ``GET nodes/n1``.
    """
    answer = _status_object(body) if isinstance(body, bytes) else body
    reason = str(answer.get("reason") or "Unknown")
    message = str(answer.get("message") or "no reason given")
    if status == _THROTTLED:
        # Of an eviction, which budget forbids it.
        said = " ".join((message, *_causes(answer)))
        return Throttled(status, reason, said, what, _seconds(retry_after, answer))
    return _type(status, reason, message)(status, reason, message, what)


def _type(status: int, reason: str, message: str) -> type[KubeError]:
    if reason == "AlreadyExists":
        return AlreadyExists
    if reason == "Invalid" and _ANOTHER_UID.search(message):
        return Conflict
    if status >= _SERVER_ERROR:
        return Unavailable
    return _BY_STATUS.get(status, KubeError)


def _status_object(content: bytes) -> Mapping[str, Any]:
    """The Status in an answer; proxies and health checks answer in plain text."""
    with contextlib.suppress(orjson.JSONDecodeError):
        answer = orjson.loads(content)
        if isinstance(answer, dict):
            return answer
    return {"message": " ".join(content.decode(errors="replace").split())[:_TEXT_LIMIT]}


def _causes(answer: Mapping[str, Any]) -> list[str]:
    """What the answer says beside its message."""
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    found = [one for one in causes or () if isinstance(one, Mapping)]
    return [str(one["message"])[:_TEXT_LIMIT] for one in found if one.get("message")]


def _seconds(header: str | None, answer: Mapping[str, Any]) -> float | None:
    """Seconds to wait, by the header or else by the body."""
    details = answer.get("details")
    body = details.get("retryAfterSeconds") if isinstance(details, Mapping) else None
    seconds = waits.retry_after(header)
    return waits.retry_after(body) if seconds is None else seconds
