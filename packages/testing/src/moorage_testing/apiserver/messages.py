"""Requests as they arrive at the double, its answers, and its refusals in the real one's words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

# All that the real one says where a JSON patch cannot be applied, a failed test included.
NOT_APPLICABLE = "the server rejected our request due to an error in our request"
UNKNOWN_PATH = "the server could not find the requested resource"
READS = ("GET", "HEAD")


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; ``path`` as on the wire."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def verb(self) -> str:
        """The method, or ``WATCH``."""
        return "WATCH" if self.query.get("watch") in ("true", "1") else self.method

    @property
    def content_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def mutating(self) -> bool:
        """Whether it may change something."""
        return self.method not in READS

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


@dataclass(frozen=True)
class Answer:
    """An answer; ``lines`` are those of a watch, which come instead of a body."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: AsyncIterator[bytes] | None = None


class Dropped(Exception):
    """The connection is broken off without an answer, or in the middle of one."""


class Refusal(Exception):
    """The request is answered with this status, reason and message."""

    def __init__(
        self, status: int, reason: str, message: str = "refused", **details: object
    ) -> None:
        super().__init__(status, reason, message)
        self.status, self.reason, self.message, self.details = status, reason, message, details

    def answer(self) -> Answer:
        """As it is sent."""
        return json_answer(self.body(), self.status)

    def body(self) -> dict[str, Any]:
        """The Status object."""
        body = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.status,
        }  # fmt: skip
        return body | ({"details": self.details} if self.details else {})


def json_answer(raw: object, status: int = 200) -> Answer:
    """An answer with this object."""
    return Answer(status, orjson.dumps(raw), {"Content-Type": "application/json"})


def not_found(resource: str, name: str) -> Refusal:
    """There is no such object."""
    return Refusal(404, "NotFound", f'{resource} "{name}" not found', name=name)


def already_exists(resource: str, name: str) -> Refusal:
    """The name is taken."""
    return Refusal(409, "AlreadyExists", f'{resource} "{name}" already exists', name=name)


def modified(resource: str, name: str) -> Refusal:
    """The object has another resourceVersion than the request expects."""
    message = (
        f'Operation cannot be fulfilled on {resource} "{name}": the object has been modified;'
        " please apply your changes to the latest version and try again"
    )
    return Refusal(409, "Conflict", message, name=name)


def uid_replaced(resource: str, name: str, expected: str, held: str) -> Refusal:
    """The object is not the one that a replacement is for."""
    message = (
        f'Operation cannot be fulfilled on {resource} "{name}": Precondition failed: UID in'
        f" precondition: {expected}, UID in object meta: {held}"
    )
    return Refusal(409, "Conflict", message, name=name)


def uid_recreated(kind: str, name: str, expected: str, held: str) -> Refusal:
    """The object is not the one that a deletion or an eviction is for."""
    message = (
        f'Operation cannot be fulfilled on {kind} "{name}": the UID in the precondition'
        f" ({expected}) does not match the UID in record ({held}). The object might have been"
        " deleted and then recreated"
    )
    return Refusal(409, "Conflict", message, name=name)


def invalid(message: str) -> Refusal:
    """The object can never be stored like this."""
    return Refusal(422, "Invalid", message)


def expired(message: str) -> Refusal:
    """The version or the token is too old."""
    return Refusal(410, "Expired", message)


def success(**details: object) -> dict[str, Any]:
    """What a deletion that is over is answered with."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return body | ({"details": details} if details else {})
