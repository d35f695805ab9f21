"""A lab in memory and in virtual time: net-attach-defs, pods that use them, and the controller."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from moorage_domain.admission import AdmissionRequest, Decision, GroupKind, User
from moorage_endpoints.controller import setup
from moorage_endpoints.kinds import NADS
from moorage_endpoints.nads.names import FINALIZER, MARKER, NETWORKS
from moorage_endpoints.nads.registration import PATH
from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_endpoints.settings import EndpointsSettings
from moorage_kube.client.kinds import EVENTS, NAMESPACES, PODS
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import Scenario, World, managed, play_story

NS = "default"
BRIDGE = json.dumps({"cniVersion": "0.3.1", "type": "bridge", "bridge": "br0"})
Raw = dict[str, Any]


class Lab:
    """One server, one controller; every helper reads or writes as a user would."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        start = managed(EndpointsSettings.model_validate(settings), setup)
        self.world = World(Scenario(start, lambda _: None, quiet_seconds=10.0))
        self.namespace(NS)

    @property
    def server(self) -> ApiServer:
        return self.world.server

    # What people write.

    def namespace(self, name: str) -> None:
        self.server.create(NAMESPACES, {"metadata": {"name": name}})

    def end_namespace(self, name: str) -> None:
        """It is being deleted, and the namespace controller deletes what is in it."""
        raw = self.server.find(NAMESPACES, name)
        assert raw is not None
        leaving = {**raw["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
        self.server.put(NAMESPACES, name, metadata=leaving)
        for nad in self.server.all_of(NADS, name):
            self.delete(nad["metadata"]["name"], name)

    def nad(self, name: str = "net", namespace: str = NS, config: str = BRIDGE, **meta: Any) -> Raw:
        body = {"metadata": {"name": name, **meta}, "spec": {"config": config}}
        return self.server.create(NADS, body, namespace)

    def delete(self, name: str = "net", namespace: str = NS) -> None:
        self.server.delete(NADS, name, namespace)

    def edit(self, change: Raw, name: str = "net", namespace: str = NS) -> None:
        self.server.patch(NADS, name, change, namespace)

    def pod(
        self, name: str = "pod", networks: str = "net", namespace: str = NS, **annotations: str
    ) -> None:
        """A running pod with the annotation; ``""`` = without it."""
        named = {NETWORKS: networks} if networks else {}
        meta = {"annotations": named | annotations}
        self.server.put(PODS, name, namespace, metadata=meta, status={"phase": "Running"})

    def annotate_pod(self, annotations: Raw, name: str = "pod", namespace: str = NS) -> None:
        self.server.patch(PODS, name, {"metadata": {"annotations": annotations}}, namespace)

    def pod_phase(self, phase: str, name: str = "pod", namespace: str = NS) -> None:
        raw = self.server.find(PODS, name, namespace)
        assert raw is not None
        self.server.put(PODS, name, namespace, metadata=raw["metadata"], status={"phase": phase})

    def remove_pod(self, name: str = "pod", namespace: str = NS) -> None:
        self.server.remove(PODS, name, namespace)

    # What they see.

    def find(self, name: str = "net", namespace: str = NS) -> Raw | None:
        return self.server.find(NADS, name, namespace)

    def held(self, name: str = "net", namespace: str = NS) -> str:
        """The text of the marker where the finalizer is on, too; ``""`` = neither is there."""
        raw = self.find(name, namespace)
        assert raw is not None, f"{name} is gone"
        marker = str(raw["metadata"].get("annotations", {}).get(MARKER, ""))
        assert (FINALIZER in raw["metadata"].get("finalizers", ())) == bool(marker)
        return marker

    def events(self) -> list[tuple[str, str]]:
        """Name of the net-attach-def and reason, the oldest first."""
        found = self.server.all_of(EVENTS)
        found.sort(key=lambda raw: int(raw["metadata"]["resourceVersion"]))
        return [(raw["involvedObject"]["name"], raw["reason"]) for raw in found]

    def message(self, reason: str) -> str:
        (found,) = (raw for raw in self.server.all_of(EVENTS) if raw["reason"] == reason)
        return str(found["message"])

    @property
    def writes(self) -> int:
        return len(self.world.changes)

    def ask(self, operation: str, name: str = "net", **fields: Any) -> Decision:
        """What the webhook answers; with ``new`` and ``old`` as the objects."""
        assert self.world.manager is not None
        server: Any = self.world.manager.servers["webhooks"]
        webhook = server.webhooks[PATH]
        return webhook.decide(request(operation, name, **fields))  # type: ignore[no-any-return] # as it is typed there

    # The controller.

    async def settle(self) -> None:
        await self.world.settle()

    async def stop(self) -> None:
        await self.world.kill()

    def start(self) -> None:
        self.world.begin()

    async def release_all(self) -> None:
        """Run ``--release-all`` to its end."""
        settings = EndpointsSettings.model_validate(self.settings | {"release_all": True})
        world = World(Scenario(managed(settings, setup), lambda _: None))
        world.server = self.server
        world.begin()
        await world.pass_time(60.0)
        await world.kill()


def request(
    operation: str,
    name: str = "net",
    *,
    new: Raw | None = None,
    old: Raw | None = None,
    user: str = "someone",
) -> AdmissionRequest:
    """What the API server asks about a net-attach-def of the default namespace."""
    return AdmissionRequest(
        uid="1",
        operation=operation,
        kind=GroupKind(NADS.group, NADS.version, NADS.name),
        resource=GroupKind(NADS.group, NADS.version, NADS.plural),
        name=name,
        namespace=NS,
        object=new,
        old_object=old,
        user=User(user),
    )


def status_annotation(*names: str, default: str = "cbr0") -> dict[str, str]:
    """The annotation that a meta-plugin writes."""
    entries: list[Raw] = [
        {"name": default, "interface": "eth0", "ips": ["10.0.0.9"], "default": True}
    ]
    entries += [
        {"name": name, "interface": f"net{number}", "ips": [f"192.0.2.{number}"]}
        for number, name in enumerate(names, start=1)
    ]
    return {STATUS_ANNOTATION: json.dumps(entries)}


def play(story: Callable[[Lab], Awaitable[None]], **settings: Any) -> None:
    """Run a story in virtual time; the controller runs from its beginning, and lives through it."""
    play_story(lambda: Lab(**settings), story)
