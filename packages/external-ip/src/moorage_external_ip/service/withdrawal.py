"""What takes everything of ours off a Service; pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from moorage_domain.families import Address
from moorage_external_ip.service.ingress import without
from moorage_external_ip.service.model import CONDITION
from moorage_external_ip.service.wish import EXTERNAL_ANNOTATION, Service


def status_patch(service: Service, addresses: Collection[Address]) -> dict[str, Any]:
    """A merge patch of the status: neither these addresses nor our condition stay."""
    known = service.subject.status.get("conditions") or ()
    conditions = [one for one in known if one["type"] != CONDITION]
    entries = without(service.ingress, addresses)
    load_balancer = {"ingress": entries or None}
    return {"status": {"conditions": conditions or None, "loadBalancer": load_balancer}}


def external_patch(service: Service, addresses: tuple[str, ...]) -> dict[str, Any]:
    """A merge patch by which of all that we add to spec.externalIPs these alone are there."""
    by_hand = [one for one in service.external if one not in service.added]
    wanted = [*by_hand, *(one for one in addresses if one not in by_hand)]
    return {
        "metadata": {"annotations": {EXTERNAL_ANNOTATION: ",".join(addresses) or None}},
        "spec": {"externalIPs": wanted or None},
    }
