"""Whom a Lease, or what else a process makes for itself, goes with: its ServiceAccount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from moorage_domain.kinds import Kind
from moorage_kube.client.errors import KubeError
from moorage_kube.client.kinds import SELF_SUBJECT_REVIEWS

_USER = "system:serviceaccount"


class ReviewApi(Protocol):
    """The call that is needed; :class:`moorage_kube.client.client.Client` has it."""

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]: ...


async def ask_for_owners(client: ReviewApi, namespace: str) -> list[dict[str, str]]:
    """``ownerReferences`` of an object of ours in this namespace, ``[]`` = nobody there owns it.

    So nothing is left of an installation that is removed. Where nobody answers who this process
    is, the object stays: a Lease keeps nobody from leading.
    """
    body = {"apiVersion": SELF_SUBJECT_REVIEWS.api_version, "kind": SELF_SUBJECT_REVIEWS.name}
    try:
        review = await client.create(SELF_SUBJECT_REVIEWS, body)
    except KubeError:
        return []
    return owners((review.get("status") or {}).get("userInfo") or {}, namespace)


def owners(user: Mapping[str, Any], namespace: str) -> list[dict[str, str]]:
    """The same, from ``status.userInfo`` of a SelfSubjectReview."""
    prefix, _, account = str(user.get("username", "")).rpartition(":")
    if prefix != f"{_USER}:{namespace}" or not user.get("uid"):
        return []
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "name": account, "uid": str(user["uid"])}
    ]
