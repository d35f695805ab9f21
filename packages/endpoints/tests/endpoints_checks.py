"""What must be left, and nothing else, once a Service has come to rest in a mode."""

from __future__ import annotations

from endpoints_lab import NS, Raw, slices_of

from moorage_endpoints import names
from moorage_endpoints.kinds import ENDPOINTS, SERVICES
from moorage_testing.apiserver import ApiServer


def managers(server: ApiServer, service: str) -> set[str]:
    """Who has slices of a Service."""
    return {
        raw["metadata"]["labels"].get(names.MANAGED_BY_LABEL, "")
        for raw in slices_of(server, service)
    }


def addresses(server: ApiServer, service: str, manager: str = "") -> list[str]:
    """Of all endpoints in slices of a Service, in order."""
    return sorted(
        address
        for raw in slices_of(server, service, manager)
        for one in raw.get("endpoints") or ()
        for address in one["addresses"]
    )


def companions(server: ApiServer) -> list[str]:
    """Names of all companions."""
    return [
        raw["metadata"]["name"]
        for raw in server.all_of(SERVICES, NS)
        if names.COMPANION_OF in (raw["metadata"].get("annotations") or {})
    ]


def is_rewritten(server: ApiServer, service: str) -> bool:
    """Whether its Endpoints are those of the mode legacy."""
    raw = server.find(ENDPOINTS, service, NS)
    notes = (raw["metadata"].get("annotations") or {}) if raw else {}
    return names.LEGACY_MARK in notes


def is_in_mode(server: ApiServer, service: str, mode: str) -> None:
    """Raise AssertionError where anything of another mode is left, or something is missing."""
    raw = server.find(SERVICES, service, NS)
    assert raw is not None
    is_handed_over = mode == "handover"
    assert ("selector" in raw["spec"]) is not is_handed_over
    assert (names.REMEMBERED in _notes(raw)) is is_handed_over
    assert managers(server, service) == {names.MANAGER if is_handed_over else names.KUBERNETES}
    assert (server.find(ENDPOINTS, service, NS) is None) is is_handed_over
    assert companions(server) == ([f"{service}-net"] if mode == "companion" else [])
    assert is_rewritten(server, service) is (mode == "legacy")


def _notes(raw: Raw) -> dict[str, str]:
    return dict(raw["metadata"].get("annotations") or {})
