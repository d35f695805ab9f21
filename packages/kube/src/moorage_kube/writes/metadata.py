"""Metadata of objects that are not ours: each change applies only to what was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from moorage_domain.kinds import Kind
from moorage_kube.client.client import Target
from moorage_kube.client.errors import Conflict, Invalid

# All that the API server says of a JSON patch whose test failed.
_TEST_FAILED = "the server rejected our request due to an error in our request"


class PatchApi(Protocol):
    """The call needed; :class:`moorage_kube.client.client.Client` has it."""

    async def patch(
        self, kind: Kind, target: Target, body: dict[str, Any] | list[Any]
    ) -> dict[str, Any]: ...


def set_metadata(
    uid: str, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """The merge patch that sets these; another object of the same name answers 409."""
    return {"metadata": {"uid": uid, "labels": dict(labels), "annotations": dict(annotations)}}


def remove_metadata(
    labels: Mapping[str, str], annotations: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The JSON patch that removes these where they have these values, else nothing at all."""
    operations: list[dict[str, Any]] = []
    for part, values in (("annotations", annotations), ("labels", labels)):
        for key, value in values.items():
            path = f"/metadata/{part}/{key.replace('~', '~0').replace('/', '~1')}"
            operations.append({"op": "test", "path": path, "value": value})
            operations.append({"op": "remove", "path": path})
    return operations


def remove_taint(taints: tuple[str, ...], key: str) -> list[dict[str, Any]]:
    """The JSON patch that removes a taint from a node, whatever its effects.

    The last one goes first: each removal moves those after it. ``taints`` are the keys in the order
    in which they were read.
    """
    operations: list[dict[str, Any]] = []
    for index in reversed(range(len(taints))):
        if taints[index] == key:
            path = f"/spec/taints/{index}"
            operations.append({"op": "test", "path": f"{path}/key", "value": key})
            operations.append({"op": "remove", "path": path})
    return operations


async def patch_if_unchanged(
    client: PatchApi, kind: Kind, target: Target, uid: str, operations: list[dict[str, Any]]
) -> dict[str, Any]:
    """Patch the object with this uid; raises ``Conflict`` where one of the tests fails."""
    same = {"op": "test", "path": "/metadata/uid", "value": uid}
    try:
        return await client.patch(kind, target, [same, *operations])
    except Invalid as error:
        if _TEST_FAILED not in error.message:
            raise
        raise Conflict(409, "Conflict", error.message, error.what) from error
