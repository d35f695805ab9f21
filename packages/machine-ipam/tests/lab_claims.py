"""A lab in memory and in virtual time: pools, claims, and the controller with its crashes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_kube.client.kinds import EVENTS
from moorage_machine_ipam import kinds
from moorage_machine_ipam.controller import setup
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import Scenario, World, managed, play_story

NS = "machines"
GATEWAY = "192.168.100.1"
Raw = dict[str, Any]


class Lab:
    """One server, one controller; every helper reads or writes as a user would."""

    def __init__(self, version: str = "v1beta1", **settings: Any) -> None:
        self.claims, self.addresses = kinds.claims(version), kinds.addresses(version)
        wanted = {"ipam_version": version} | settings
        self.settings = wanted
        start = managed(MachineIpamSettings.model_validate(wanted), setup)
        self.scenario = Scenario(start, lambda _: None, quiet_seconds=30.0)
        self.world = World(self.scenario)

    @property
    def server(self) -> ApiServer:
        return self.world.server

    # What people and machines write.

    def pool(self, name: str = "lab", namespace: str = NS, **spec: Any) -> None:
        wanted = {"address-cidr": "192.168.100.0/24", "prefix": 24, "gateway": GATEWAY}
        fields = {key.replace("_", "-"): value for key, value in spec.items()}
        self.server.put(IPPOOLS, name, namespace, spec=wanted | fields)

    def edit_pool(self, name: str = "lab", **spec: Any) -> None:
        fields = {key.replace("_", "-"): value for key, value in spec.items()}
        self.server.patch(IPPOOLS, name, {"spec": fields}, NS)

    def claim(
        self, *names: str, pool: str = "lab", kind: str = "IPPool", namespace: str = NS, **meta: Any
    ) -> None:
        ref = {"apiGroup": IPPOOLS.group, "kind": kind, "name": pool}
        for name in names:
            self.create_claim(name, {"poolRef": ref}, namespace, **meta)

    def create_claim(self, name: str, spec: Raw, namespace: str = NS, **meta: Any) -> None:
        body = {"apiVersion": self.claims.api_version, "kind": self.claims.name, "spec": spec}
        self.server.create(
            self.claims, body | {"metadata": {"name": name, "namespace": namespace, **meta}}
        )

    def delete_claim(self, name: str) -> None:
        self.server.delete(self.claims, name, NS)

    def patch_claim(self, name: str, change: Raw) -> None:
        self.server.patch(self.claims, name, change, NS)

    def put_address(self, name: str, address: str, **meta: Any) -> None:
        """An IPAddress that somebody else has made."""
        ref = {"apiGroup": IPPOOLS.group, "kind": "IPPool", "name": "lab"}
        spec = {"address": address, "prefix": 24, "claimRef": {"name": name}, "poolRef": ref}
        body = {"apiVersion": self.addresses.api_version, "kind": self.addresses.name, "spec": spec}
        self.server.create(
            self.addresses, body | {"metadata": {"name": name, "namespace": NS, **meta}}
        )

    def put_record(self, address: str, hexadecimal: str, **spec: Any) -> None:
        """An IPAllocation that somebody else has made."""
        body = {
            "apiVersion": IPALLOCATIONS.api_version,
            "kind": IPALLOCATIONS.name,
            "metadata": {"name": f"default-{hexadecimal}"},
            "spec": {"address": address, "network": "default", **spec},
        }
        self.server.create(IPALLOCATIONS, body)

    # What they see.

    def find_claim(self, name: str, namespace: str = NS) -> Raw | None:
        return self.server.find(self.claims, name, namespace)

    def address(self, name: str, namespace: str = NS) -> str:
        """Of a claim that is ready, by all three objects; ``""`` = it has none."""
        raw = self.find_claim(name, namespace)
        if raw is None or self.reason(name, namespace) != "Allocated":
            return ""
        given = self.server.find(self.addresses, raw["status"]["addressRef"]["name"], namespace)
        assert given is not None
        assert given["spec"]["poolRef"] == raw["spec"]["poolRef"]
        (record,) = (
            one
            for one in self.records("Bound")
            if (one["spec"].get("owner") or {}).get("uid") == raw["metadata"]["uid"]
        )
        assert record["spec"]["address"] == given["spec"]["address"]
        return str(given["spec"]["address"])

    def condition(self, name: str, namespace: str = NS, of: str = "Ready") -> Raw:
        raw = self.find_claim(name, namespace) or {}
        conditions = raw.get("status", {}).get("conditions", ())
        return next((one for one in conditions if one["type"] == of), {})

    def reason(self, name: str, namespace: str = NS) -> str:
        return str(self.condition(name, namespace).get("reason", ""))

    def records(self, *phases: str) -> list[Raw]:
        found = self.server.all_of(IPALLOCATIONS)
        return [one for one in found if not phases or _phase(one) in phases]

    def held(self, *phases: str) -> set[str]:
        return {one["spec"]["address"] for one in self.records(*phases)}

    def pool_status(self, name: str = "lab") -> Raw:
        raw = self.server.find(IPPOOLS, name, NS)
        assert raw is not None
        return dict(raw["status"])

    def events(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Type and reason of the Events of one object, the oldest first."""
        found = [
            raw
            for raw in self.server.all_of(EVENTS)
            if raw["involvedObject"]["name"] == name and raw["involvedObject"]["kind"] == kind
        ]
        found.sort(key=lambda raw: int(raw["metadata"]["resourceVersion"]))
        return [(raw["type"], raw["reason"]) for raw in found]

    # The controller.

    async def settle(self) -> None:
        await self.world.settle()

    async def stop(self) -> None:
        await self.world.kill()

    def start(self) -> None:
        self.world.begin()

    async def release_all(self) -> None:
        """Run ``--release-all`` to its end."""
        settings = MachineIpamSettings.model_validate(self.settings | {"release_all": True})
        world = World(Scenario(managed(settings, setup), lambda _: None, quiet_seconds=30.0))
        world.server = self.server
        world.begin()
        await world.pass_time(60.0)
        await world.kill()


def _phase(record: Raw) -> str:
    return str((record.get("status") or {}).get("phase", "Bound"))


def play(story: Callable[[Lab], Awaitable[None]], **settings: Any) -> None:
    """Run a story in virtual time; the controller runs from its beginning, and lives through it."""
    play_story(lambda: Lab(**settings), story)
