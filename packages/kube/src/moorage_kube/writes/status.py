"""Status: what is to be written of it, and whether anything is; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from moorage_domain.conditions import MESSAGE_LENGTH, Condition, from_wire, merge, to_wire
from moorage_domain.plans import Status
from moorage_domain.subject import Subject


def status_patch(
    subject: Subject, status: Status, now: Callable[[], str], *, has_generation: bool = True
) -> dict[str, Any] | None:
    """The merge patch that makes the status so; ``None`` = it is so already.

    ``now`` (RFC 3339) gives the transition time of conditions that change. Only fields that differ
    are written. A namesake made meanwhile, or another version of the object, answers 409.
    ``has_generation=False``: of a kind whose status has no place for the generation it answers.
    """
    generation = subject.generation if has_generation else None
    wanted = dict(status.fields)
    if has_generation:
        wanted["observedGeneration"] = generation
    # Most passes change nothing: that is found out before anything is made.
    if not _has_conditions(subject, status.conditions, generation):
        before = from_wire(subject.status.get("conditions"))
        new = [replace(one, observed_generation=generation) for one in status.conditions]
        wanted["conditions"] = to_wire(merge(before, new, now()))
    changed = changes(subject.status, wanted)
    if not changed:
        return None
    meta = {"uid": subject.uid, "resourceVersion": subject.resource_version}
    return {"metadata": meta, "status": changed}


def _has_conditions(
    subject: Subject, conditions: Iterable[Condition], generation: int | None
) -> bool:
    """Whether the object has these conditions, for its generation of now."""
    there = {one.get("type"): one for one in subject.status.get("conditions") or ()}
    return all(
        (raw := there.get(one.type)) is not None
        and raw.get("status") == one.status
        and raw.get("reason") == one.reason
        and raw.get("message") == one.message[:MESSAGE_LENGTH]
        and raw.get("observedGeneration") == generation
        for one in conditions
    )


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) for the fields that ``new`` names; ``{}`` = none differs."""
    patch: dict[str, Any] = {}
    for name, value in new.items():
        before = old.get(name)
        if value == before:
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            # Of a map within the status, what is not named is gone.
            if within := changes(before, {**dict.fromkeys(before), **value}):
                patch[name] = within
        else:
            patch[name] = value
    return patch
