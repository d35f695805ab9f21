"""Services in virtual time: a crash after every change, and lives at random."""

from __future__ import annotations

from typing import Any

from endpoints_checks import addresses, companions, is_rewritten, managers
from endpoints_lab import NS, services_alone
from endpoints_life import (
    HAPPENINGS,
    all_is_as_it_should_be,
    arrange,
    pod,
)

from moorage_endpoints import names
from moorage_endpoints.kinds import SERVICES
from moorage_endpoints.settings import EndpointsSettings
from moorage_kube.client.kinds import PODS
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import Scenario, crash_after_every_change, live_many, managed
from moorage_testing.harness.troubles import sometimes_twice

LIVES = 20
Raw = dict[str, Any]


def scenario(quiet_seconds: float = 700.0) -> Scenario:
    """By default, rest is longer than every pause after an error."""
    return Scenario(
        managed(EndpointsSettings.model_validate({}), services_alone),
        arrange,
        edits=(
            lose_a_pod,
            bring_a_pod,
            swap_modes,
            name_other_networks,
            give_all_up,
        ),
        happenings=HAPPENINGS,
        at_rest=(all_is_as_it_should_be,),
        quiet_seconds=quiet_seconds,
        view=what_is_served,
    )


def lose_a_pod(server: ApiServer) -> None:
    server.remove(PODS, "p0", NS)


def bring_a_pod(server: ApiServer) -> None:
    pod(server, "p3", "10.1.0.9", "2001:db8::9", pod_ip="10.244.0.9")
    server.patch(SERVICES, "a", {"spec": {"ipFamilies": ["IPv4", "IPv6"]}}, NS)


def _annotate(server: ApiServer, name: str, **notes: str | None) -> None:
    keys = {f"moorage.dev/{key}": one for key, one in notes.items()}
    server.patch(SERVICES, name, {"metadata": {"annotations": keys}}, NS)


def swap_modes(server: ApiServer) -> None:
    _annotate(server, "b", mode="companion")
    _annotate(server, "c", mode="legacy")
    _annotate(server, "d", mode="handover")


def name_other_networks(server: ApiServer) -> None:
    for name in "abd":
        _annotate(server, name, networks="more,net")


def give_all_up(server: ApiServer) -> None:
    for name in "abcd":
        _annotate(server, name, networks=None)


def what_is_served(server: ApiServer) -> object:
    return {
        raw["metadata"]["name"]: (
            raw["spec"].get("selector"),
            names.REMEMBERED in (raw["metadata"].get("annotations") or {}),
            sorted(managers(server, raw["metadata"]["name"])),
            addresses(server, raw["metadata"]["name"]),
            is_rewritten(server, raw["metadata"]["name"]),
        )
        for raw in server.all_of(SERVICES, NS)
    }, companions(server)


def test_it_survives_a_crash_after_every_change() -> None:
    assert crash_after_every_change(lambda: scenario(20.0)) > 20


def test_it_comes_to_rest_after_random_lives() -> None:
    live_many(lambda: sometimes_twice(scenario()), range(LIVES))
