"""A finalizer is put on and taken off beside those of others, and never lost or doubled."""

from __future__ import annotations

from typing import Any

import pytest
from recording_api import raw_object

from moorage_domain.subject import Subject
from moorage_kube.writes.finalizers import finalizer_patch

OURS, THEIRS = "example.dev/ours", "example.dev/theirs"


def subject(*finalizers: str, deleting: bool = False) -> Subject:
    gone: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {}
    raw = raw_object("w1", finalizers=list(finalizers), resourceVersion="7", **gone)
    return Subject.of(raw)


@pytest.mark.parametrize(
    ("before", "present", "after"),
    [
        ((), True, [OURS]),
        ((THEIRS,), True, [THEIRS, OURS]),
        ((OURS,), False, []),
        ((OURS, THEIRS), False, [THEIRS]),
        ((THEIRS, OURS), True, None),
        ((THEIRS,), False, None),
        ((), False, None),
    ],
)
def test_only_ours_comes_and_goes(
    before: tuple[str, ...],
    present: bool,  # noqa: FBT001 - a parameter of the test
    after: list[str] | None,
) -> None:
    patch = finalizer_patch(subject(*before), OURS, present=present)
    wanted = after is not None and {
        "metadata": {"uid": "uid-w1", "resourceVersion": "7", "finalizers": after}
    }
    assert (patch or False) == wanted


def test_none_is_put_on_an_object_that_is_being_deleted() -> None:
    assert finalizer_patch(subject(THEIRS, deleting=True), OURS, present=True) is None


def test_ours_is_taken_off_an_object_that_is_being_deleted() -> None:
    patch = finalizer_patch(subject(OURS, deleting=True), OURS, present=False)
    assert patch is not None
    assert patch["metadata"]["finalizers"] == []
