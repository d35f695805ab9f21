"""Companions: what the second Service beside one with a selector says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from moorage_endpoints import names
from moorage_endpoints.actions import WriteCompanion
from moorage_endpoints.model import Observed
from moorage_endpoints.projections.services import Service

_NAME_LENGTH = 63
_DIGEST_LENGTH = 6


def companion_name(service: Service) -> str:
    """``<service>-<first network>``, cut where that is longer than a name of a Service may be."""
    networks = service.wish.networks
    name = f"{service.subject.name}-{networks[0].name}" if networks else ""
    if len(name) <= _NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: _NAME_LENGTH - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"


def is_companion(one: Service, service: Service) -> bool:
    """Whether ``one`` was made for ``service``, whatever somebody did to its annotations."""
    return one.owner == service.subject.uid


def companion_annotations(service: Service) -> dict[str, str]:
    """What makes the companion lead to the pods of its Service."""
    wish = service.wish
    found = {
        names.NETWORKS: ",".join(map(str, wish.networks or ())),
        names.SELECTOR: str(service.pods or ""),
        names.COMPANION_OF: service.subject.name,
    }
    return found | ({names.ADDRESSES: "first"} if wish.first_only else {})


def companion_spec(service: Service) -> Mapping[str, Any]:
    """Its spec; without a cluster address unless it is asked for.

    Whoever is in the network goes to the pods directly; packets to a cluster address leave from
    nodes, and many of these networks no node reaches.
    """
    address = {"clusterIP": "None"} if service.wish.companion_headless else {}
    return {**address, **service.copied}


def has_other_address(companion: Service, service: Service) -> bool:
    """Whether it has a cluster address and should not, or the other way round.

    Kubernetes changes neither for as long as a Service lives.
    """
    return companion.headless is not service.wish.companion_headless


def companion_write(observed: Observed, service: Service) -> WriteCompanion | None:
    """What makes the companion say what it should; ``None`` = it says so."""
    name, annotations = companion_name(service), companion_annotations(service)
    known = observed.namesake
    if known is not None and (known.annotations, known.labels, _content(known)) == (
        annotations,
        service.labels,
        _content(service),
    ):
        return None
    return WriteCompanion(name, annotations, known)


def _content(service: Service) -> Mapping[str, Any]:
    """What is compared; the API server fills in what the other one leaves open."""
    ports = [
        {key: one for key, one in port.items() if one != "TCP"} for port in service.copied["ports"]
    ]
    families = [str(one) for one in service.families]
    copied = {
        key: one for key, one in service.copied.items() if key not in ("ports", "ipFamilyPolicy")
    }
    return copied | {"ports": ports, "ipFamilies": families}
