"""Finalizers: the API server keeps an object until ours is taken off; pure."""

from __future__ import annotations

from typing import Any

from moorage_domain.subject import Subject


def finalizer_patch(subject: Subject, finalizer: str, *, present: bool) -> dict[str, Any] | None:
    """The merge patch that puts ours on or takes it off; ``None`` = it is so already.

    None is put on an object that is being deleted: the API server would refuse it.
    """
    if present == (finalizer in subject.finalizers) or (present and subject.deleting):
        return None
    others = [one for one in subject.finalizers if one != finalizer]
    meta = {
        "uid": subject.uid,
        # Somebody else's finalizer added meanwhile must not be lost.
        "resourceVersion": subject.resource_version,
        "finalizers": [*others, finalizer] if present else others,
    }
    return {"metadata": meta}
