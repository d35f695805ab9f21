"""Eviction: a pod is asked to leave its node; its PodDisruptionBudget may refuse."""

from __future__ import annotations

from typing import Any, Protocol

from moorage_domain.kinds import Kind
from moorage_kube.client.client import Target
from moorage_kube.client.kinds import PODS


class EvictApi(Protocol):
    """The call needed; :class:`moorage_kube.client.client.Client` has it."""

    async def create_under(self, kind: Kind, target: Target, body: dict[str, Any]) -> None: ...


async def evict(client: EvictApi, name: str, namespace: str, uid: str) -> None:
    """Evict that very pod.

    Raises ``NotFound`` or ``Conflict`` where it is gone, ``Throttled`` where a budget refuses.
    """
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    }
    await client.create_under(PODS, Target(name, namespace, "eviction"), body)
