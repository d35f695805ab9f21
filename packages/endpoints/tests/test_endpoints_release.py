"""``--release-all`` of Services: Kubernetes serves them again, and nobody sees a gap."""

from __future__ import annotations

from endpoints_checks import addresses, is_in_mode
from endpoints_lab import Lab, Union, play

from moorage_endpoints import names
from moorage_endpoints.controller import setup
from moorage_endpoints.settings import EndpointsSettings
from moorage_kube.manager.manager import Manager
from moorage_testing.harness import Scenario, World, managed

DEFAULT, SECONDARY = "10.244.0.7", "10.1.0.5"


def served(lab: Lab, name: str, mode: str) -> None:
    """A Service with a selector; its pod has an address in both networks."""
    if name == "web":
        lab.pod("db-0", SECONDARY, pod_ip=DEFAULT)
    notes = {names.SELECTOR: None, names.MODE: mode}
    lab.service(name, selector={"app": "db"}, notes=notes)


def test_na_42_release_all_gives_services_back_without_a_gap() -> None:
    async def story(lab: Lab) -> None:
        modes = {"web": "handover", "a": "companion", "b": "legacy", "broken": "handover"}
        for name, mode in modes.items():
            served(lab, name, mode)
        lab.service("alone")
        await lab.settle()
        lab.annotate("broken", networks="net,,")
        await lab.settle()
        kept = lab.slices("alone")
        union = Union(lab.server, "web")
        await lab.world.kill()
        assert await released(lab)
        for name in modes:
            is_in_mode(lab.server, name, "none")
            assert lab.find(name)["spec"]["selector"] == {"app": "db"}
            assert addresses(lab.server, name) == [DEFAULT]
        assert frozenset() not in union.seen
        assert lab.slices("alone") == kept

    play(story, kubernetes=True)


def test_release_all_waits_until_kubernetes_has_written_its_endpoints() -> None:
    async def story(lab: Lab) -> None:
        served(lab, "web", "handover")
        await lab.settle()
        await lab.world.kill()
        assert not await released(lab)
        assert lab.find()["spec"]["selector"] == {"app": "db"}
        assert addresses(lab.server, "web") == [SECONDARY]

    play(story)


async def released(lab: Lab) -> bool:
    """Run ``--release-all``; whether it came to its end."""
    stopped: list[bool] = []

    def add(manager: Manager) -> None:
        manager.stop = lambda: stopped.append(True)
        setup(manager)

    settings = EndpointsSettings.model_validate({"release_all": True})
    world = World(Scenario(managed(settings, add), lambda _: None))
    world.server = lab.server
    world.begin()
    await world.pass_time(60.0)
    assert not world.deaths, world.deaths
    await world.kill()
    return bool(stopped)
