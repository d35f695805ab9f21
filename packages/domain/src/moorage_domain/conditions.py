"""Conditions: the aspects of an object's state as people and tools read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Status = Literal["True", "False", "Unknown"]

MESSAGE_LENGTH = 32768
"""Of a message, enforced by the API server."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One aspect of an object's state.

    Attributes:
        type: the aspect, CamelCase.
        status: whether it holds.
        reason: one CamelCase word for why.
        message: the same in plain words.
        observed_generation: ``metadata.generation`` this answers; ``None`` = not stated.
        last_transition_time: RFC 3339, when ``status`` last changed; :func:`merge` fills it in.
    """

    type: str
    status: Status
    reason: str
    message: str = ""
    observed_generation: int | None = None
    last_transition_time: str = ""


def merge(old: tuple[Condition, ...], new: Iterable[Condition], now: str) -> tuple[Condition, ...]:
    """``old`` with ``new`` put in by type; types that ``new`` does not name stay as they are.

    Messages are cut to what the API server takes. The transition time is kept where the status is
    the same, else it is ``now`` (RFC 3339). Returns the very tuple ``old`` when nothing changed, so
    ``is`` tells whether to write.
    """
    merged = {condition.type: condition for condition in old}
    for condition in new:
        before = merged.get(condition.type)
        kept = before is not None and before.status == condition.status
        since = before.last_transition_time if before is not None and kept else now
        message = condition.message[:MESSAGE_LENGTH]
        merged[condition.type] = replace(condition, message=message, last_transition_time=since)
    result = tuple(merged.values())
    return old if result == old else result


def to_wire(conditions: Iterable[Condition]) -> list[dict[str, Any]]:
    """The conditions as they stand in an object's ``status.conditions``."""
    return [
        {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": condition.last_transition_time,
        }
        | (
            {}
            if condition.observed_generation is None
            else {"observedGeneration": condition.observed_generation}
        )
        for condition in conditions
    ]


def condition_of(status: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """The condition of that type of an object's ``status``; ``{}`` = it has none."""
    conditions = (status or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == name), {})


def from_wire(raw: Iterable[Mapping[str, Any]] | None) -> tuple[Condition, ...]:
    """The conditions of ``status.conditions``; entries without a type or a status are left out."""
    return tuple(
        Condition(
            type=entry["type"],
            status=entry["status"],
            reason=entry.get("reason") or "",
            message=entry.get("message") or "",
            observed_generation=entry.get("observedGeneration"),
            last_transition_time=entry.get("lastTransitionTime") or "",
        )
        for entry in raw or ()
        if entry.get("type") and entry.get("status") in ("True", "False", "Unknown")
    )
