"""A lab for Machines: what machine-api-operator and people do to them, and what they then see."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lab_claims import Lab, Raw

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_kube.client.kinds import EVENTS
from moorage_machine_ipam.kinds import MACHINES
from moorage_testing import virtual_time
from moorage_testing.apiserver import ApiServer, Asked
from moorage_testing.harness import lived_through

NS = "openshift-machine-api"
HOOK = {"name": "ipamController", "owner": "network-admin"}
FOREIGN = {"name": "firewall", "owner": "security"}
FINALIZER = "machine.machine.openshift.io"
README_CONFIG = """\
ipam-config:
  ip-range-cidr: 192.168.101.64/28
  prefix: 23
  nameserver:
    - 192.168.1.215
  default-gateway: 192.168.100.1
  lifecycle-hook:
    name: ipamController
    owner: network-admin
"""
DUAL_CONFIG = """\
ipam-config:
  ipv4-range-cidr: 192.168.101.64/28
  ipv4-prefix: 23
  ipv4-gateway: 192.168.100.1
  ipv6-range-cidr: 2001:db8:1::/64
  ipv6-gateway: 2001:db8:1::1
  nameserver: [192.168.1.215, "2001:db8::53"]
"""
# spec of the template of the README's MachineSet, as YAML has it.
README_SPEC: Raw = {
    "lifecycleHooks": {"preCreate": [HOOK]},
    "metadata": {},
    "providerSpec": {
        "value": {
            "numCoresPerSocket": 4,
            "diskGiB": 120,
            "snapshot": "",
            "userDataSecret": {"name": "worker-user-data"},
            "memoryMiB": 16384,
            "credentialsSecret": {"name": "vsphere-cloud-credentials"},
            "network": {"devices": [{"networkName": "lab"}]},
            "metadata": {"creationTimestamp": None},
            "numCPUs": 4,
            "kind": "VSphereMachineProviderSpec",
            "workspace": {
                "datacenter": "datacenter",
                "datastore": "datastore",
                "folder": "/datacenter/vm/folder",
                "resourcePool": "/datacenter/host/cluster/Resources",
                "server": "vcenter.test.net",
            },
            "template": "cluster-rhcos",
            "apiVersion": "machine.openshift.io/v1beta1",
        }
    },
}


def spec_of(devices: list[Any] | None = None, hooks: Raw | None = None, **value: Any) -> Raw:
    """The README's spec with these changes."""
    spec = copy.deepcopy(README_SPEC)
    if devices is not None:
        # No two of them may be one object.
        spec["providerSpec"]["value"]["network"] = {"devices": json.loads(json.dumps(devices))}
    spec["providerSpec"]["value"] |= value
    if hooks is not None:
        spec["lifecycleHooks"] = copy.deepcopy(hooks)
    return spec


def create_machine(server: ApiServer, name: str, spec: Raw, **meta: Any) -> None:
    """As a MachineSet does it; its controller puts the finalizer on at once."""
    meta = {"name": name, "namespace": NS, "finalizers": [FINALIZER], **meta}
    server.create(MACHINES, {"metadata": meta, "spec": spec})


def set_status(server: ApiServer, name: str, **status: Any) -> None:
    """As machine-api-operator does it."""
    raw = server.find(MACHINES, name, NS)
    assert raw is not None
    known = raw.get("status") or {}
    server.put(MACHINES, name, NS, **(_rest(raw) | {"status": known | status}))


def finish(server: ApiServer, name: str) -> None:
    """The VM is gone, and so is the finalizer; nothing may hold the Machine any more."""
    raw = server.find(MACHINES, name, NS)
    assert raw is not None
    assert not raw["spec"].get("lifecycleHooks", {}).get("preTerminate"), "a hook holds it"
    server.patch(MACHINES, name, {"metadata": {"finalizers": None}}, NS)


def devices_of(raw: Raw) -> list[Raw]:
    found = raw["spec"]["providerSpec"]["value"].get("network", {}).get("devices", [])
    return list(found)


def written(raw: Raw) -> list[str]:
    """The addresses in the devices of a Machine, in either spelling."""
    found = []
    for device in devices_of(raw):
        found += [text.partition("/")[0] for text in device.get("ipAddrs", ())]
        for interface in device.get("config", {}).get("interfaces", ()):
            for family in ("ipv4", "ipv6"):
                found += [one["ip"] for one in interface[family].get("address", ())]
    return found


def late_hooks(server: ApiServer) -> list[str]:
    """Watches for hooks that are added to Machines being deleted, which admission refuses."""
    found: list[str] = []
    before: list[str] = []

    def note(asked: Asked) -> None:
        before[:] = _all_hooks(server.objects.get(asked.path))

    def check(asked: Asked) -> None:
        raw = server.objects.get(asked.path)
        if raw is not None and "deletionTimestamp" in raw["metadata"]:
            found.extend(one for one in _all_hooks(raw) if one not in before)

    server.before.append(note)
    server.after.append(check)
    return found


def _all_hooks(raw: Raw | None) -> list[str]:
    lists = (raw or {}).get("spec", {}).get("lifecycleHooks") or {}
    return [f"{name} {hook}" for name, hooks in lists.items() for hook in hooks]


def _rest(raw: Raw) -> Raw:
    return {key: value for key, value in raw.items() if key not in ("apiVersion", "kind")}


class MachineLab(Lab):
    """A lab with a configuration file."""

    def __init__(self, path: Path, text: str, **settings: Any) -> None:
        self.path = path
        self.edit(text)
        super().__init__(**({"hook_config": str(path)} | settings))

    def edit(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")

    def machine(self, *names: str, spec: Raw | None = None, **meta: Any) -> None:
        for name in names:
            create_machine(self.server, name, spec or spec_of(), **meta)
            self.status(name, phase="Provisioning")

    def status(self, name: str, **status: Any) -> None:
        set_status(self.server, name, **status)

    def patch_machine(self, name: str, change: Raw) -> None:
        self.server.patch(MACHINES, name, change, NS)

    def delete(self, name: str) -> None:
        self.server.delete(MACHINES, name, NS)
        if self.server.find(MACHINES, name, NS):
            self.status(name, phase="Deleting")

    def finish(self, name: str) -> None:
        finish(self.server, name)

    def get(self, name: str) -> Raw:
        raw = self.server.find(MACHINES, name, NS)
        assert raw is not None
        return raw

    def devices(self, name: str) -> list[Raw]:
        return devices_of(self.get(name))

    def written(self, name: str) -> list[str]:
        return written(self.get(name))

    def hooks(self, name: str) -> Raw:
        return dict(self.get(name)["spec"].get("lifecycleHooks") or {})

    def patches(self, name: str = "") -> list[Asked]:
        """The patches that Machines were asked for, of one or of all."""
        of = f"/{NS}/machines/{name}"
        return [one for one in self.server.requests("PATCH") if of in one.path]

    def owners(self, *phases: str) -> dict[str, tuple[str, str]]:
        """Name of the owner and slot of each address."""
        return {
            one["spec"]["address"]: (one["spec"]["owner"]["name"], one["spec"].get("slot", ""))
            for one in self.records(*phases)
        }

    def message(self, name: str) -> str:
        """Of the last Event of a Machine."""
        found = [raw for raw in self.server.all_of(EVENTS) if raw["involvedObject"]["name"] == name]
        return str(max(found, key=lambda raw: int(raw["metadata"]["resourceVersion"]))["message"])

    def reserve(self, address: str, hexadecimal: str) -> None:
        self.put_record(address, hexadecimal)

    def unreserve(self, hexadecimal: str) -> None:
        self.server.delete(IPALLOCATIONS, f"default-{hexadecimal}")


def play_machines(
    path: Path,
    story: Callable[[MachineLab], Awaitable[None]],
    text: str = README_CONFIG,
    **settings: Any,
) -> None:
    """Run a story in virtual time; the controller runs from its beginning, and lives through it."""

    async def whole() -> None:
        lab = MachineLab(path, text, **settings)
        late = late_hooks(lab.server)
        lab.start()
        async with lived_through(lab.world):
            await story(lab)
            assert not late

    virtual_time.run(whole())
