"""What is written to net-attach-defs: finalizer and marker on, or off; pure."""

from __future__ import annotations

from typing import Any

from moorage_domain.subject import Subject
from moorage_endpoints.nads.names import FINALIZER, MARKER
from moorage_endpoints.nads.projections import nad_of


def held_patch(subject: Subject, text: str | None) -> dict[str, Any]:
    """The merge patch that puts finalizer and marker on; ``None`` takes both off.

    It fits only the very version that was read: whatever else was put on it meanwhile stays.
    """
    others = [one for one in subject.finalizers if one != FINALIZER]
    return {
        "metadata": {
            "uid": subject.uid,
            "resourceVersion": subject.resource_version,
            "finalizers": others if text is None else [*others, FINALIZER],
            "annotations": {MARKER: text},
        }
    }


def released_nad(raw: dict[str, Any]) -> dict[str, Any] | None:
    """The patch that takes everything of ours off; ``None`` = there is nothing."""
    return held_patch(Subject.of(raw), None) if nad_of(raw).is_held else None
