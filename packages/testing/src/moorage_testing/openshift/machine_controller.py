"""A stand-in for machine-api-operator on vSphere: its VMs are values, all else is as it does it.

For the double of the API server and for a real one: it asks by paths, as an admin.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias

Raw = dict[str, Any]
Request: TypeAlias = Callable[[str, str, Raw | None], Raw]
"""Method, path and body to the answer's object; a PATCH is a merge. What it raises has a ``status``
of HTTP."""

MACHINE_FINALIZER = "machine.machine.openshift.io"
CLAIM_FINALIZER = "machine.openshift.io/ip-claim-protection"
MACHINES = "machine.openshift.io/v1beta1"
IPAM = "ipam.cluster.x-k8s.io/v1beta1"
_STALE = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@dataclass(frozen=True, slots=True)
class Vm:
    """What a VM was started with; it runs until its Machine is let go.

    Attributes:
        kargs: of its kernel, with all that it knows of its network; ``""`` = it asks by DHCP.
    """

    machine: str
    kargs: str
    addresses: tuple[str, ...]


class Unbound(Exception):
    """A claim has no address yet: the VM is not made."""


class MachineController:
    """Reconciles the Machines of one namespace whenever :meth:`step` is called.

    Attributes:
        vms: those that run, by the uid of their Machine.
        start_lists: lists of hooks that hold a Machine before it has a VM; OpenShift has none.
    """

    def __init__(self, request: Request, namespace: str, *start_lists: str) -> None:
        self.vms: dict[str, Vm] = {}
        self.start_lists = start_lists
        self._request = request
        self._namespace = namespace

    def step(self) -> None:
        """One pass over all Machines; what is behind or missing is looked at in the next one."""
        for machine in self._list(MACHINES, "machines"):
            try:
                self._reconcile(machine)
            except Exception as error:  # whatever the caller's request raises
                if getattr(error, "status", None) not in _STALE:
                    raise

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Of the VMs that run, by the name of their Machine."""
        return {vm.machine: vm.addresses for vm in self.vms.values()}

    def _reconcile(self, machine: Raw) -> None:
        meta = machine["metadata"]
        if _status(machine).get("authoritativeAPI", "MachineAPI") != "MachineAPI":
            return
        if "deletionTimestamp" in meta:
            self._delete(machine)
        elif MACHINE_FINALIZER not in (meta.get("finalizers") or ()):
            finalizers = [*(meta.get("finalizers") or ()), MACHINE_FINALIZER]
            self._patch_machine(machine, {"metadata": {"finalizers": finalizers}})
        elif meta["uid"] in self.vms:
            self._set_status(machine, phase="Running")
        elif not _status(machine).get("phase"):
            self._set_status(machine, phase="Provisioning")
        elif not any(_hooks(machine, name) for name in self.start_lists):
            self._create(machine)

    def _create(self, machine: Raw) -> None:
        """Claims first: without all of their addresses there is no VM."""
        devices = [one or {} for one in _devices(machine)]
        try:
            found = [self._claimed(machine, index, one) for index, one in enumerate(devices)]
        except Unbound:
            self._condition(machine, "False", "WaitingForIPAddress")
            return
        if any(found):
            self._condition(machine, "True", "IPAddressesClaimed")
        texts, addresses = [], []
        for device, claimed in zip(devices, found, strict=True):
            literal = list(device.get("ipAddrs") or ())
            ips = [*literal, *(f"{spec['address']}/{spec['prefix']}" for spec in claimed)]
            gateways = [spec["gateway"] for spec in claimed if spec.get("gateway")]
            gateway = gateways[-1] if gateways else device.get("gateway", "")
            texts.append(_kargs(ips, gateway, device.get("nameservers") or ()))
            addresses += [text.partition("/")[0] for text in ips]
        meta = machine["metadata"]
        self.vms[meta["uid"]] = Vm(meta["name"], "".join(texts), tuple(addresses))
        seen = [{"type": "InternalIP", "address": one} for one in addresses]
        self._set_status(machine, phase="Provisioned", addresses=seen)

    def _claimed(self, machine: Raw, index: int, device: Mapping[str, Any]) -> list[Raw]:
        """The specs of the IPAddresses of a device's claims, all of which are made at once."""
        names = []
        for number, pool in enumerate(device.get("addressesFromPools") or ()):
            names.append(f"{machine['metadata']['name']}-claim-{index}-{number}")
            self._ensure_claim(machine, names[-1], pool)
        found = []
        for name in names:
            claim = self._get("ipaddressclaims", name)
            address = ((claim or {}).get("status") or {}).get("addressRef") or {}
            if not address.get("name"):
                raise Unbound(name)
            given = self._get("ipaddresses", address["name"])
            if given is None:
                raise Unbound(name)
            found.append(dict(given["spec"]))
        return found

    def _ensure_claim(self, machine: Raw, name: str, pool: Mapping[str, str]) -> None:
        meta, known = machine["metadata"], self._get("ipaddressclaims", name)
        owner = {
            "apiVersion": MACHINES,
            "kind": "Machine",
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        held = {"ownerReferences": [owner], "finalizers": [CLAIM_FINALIZER]}
        if known is None:
            # The documentation of OpenShift has people write the plural, which is copied as it is.
            ref = {"apiGroup": pool["group"], "kind": pool["resource"], "name": pool["name"]}
            body = {
                "apiVersion": IPAM,
                "kind": "IPAddressClaim",
                "metadata": {"name": name, "namespace": self._namespace, **held},
                "spec": {"poolRef": ref},
            }
            self._request("POST", self._path(IPAM, "ipaddressclaims"), body)
        elif not known["metadata"].get("ownerReferences"):
            self._patch_claim(known, held | {"finalizers": [*_others(known), CLAIM_FINALIZER]})

    def _delete(self, machine: Raw) -> None:
        """Drain, then preTerminate, then the VM; its claims are let go, and then the Machine."""
        self._set_status(machine, phase="Deleting")
        if _hooks(machine, "preDrain") or _hooks(machine, "preTerminate"):
            return
        uid = machine["metadata"]["uid"]
        self.vms.pop(uid, None)
        for claim in self._list(IPAM, "ipaddressclaims"):
            meta = claim["metadata"]
            owned = any(one["uid"] == uid for one in meta.get("ownerReferences") or ())
            if owned and CLAIM_FINALIZER in (meta.get("finalizers") or ()):
                self._patch_claim(claim, {"finalizers": _others(claim)})
        meta = machine["metadata"]
        left = [one for one in meta.get("finalizers") or () if one != MACHINE_FINALIZER]
        self._patch_machine(machine, {"metadata": {"finalizers": left}})

    def _condition(self, machine: Raw, status: str, reason: str) -> None:
        condition = {"type": "IPAddressClaimed", "status": status, "reason": reason}
        self._set_status(machine, providerStatus={"conditions": [condition]})

    def _set_status(self, machine: Raw, **fields: Any) -> None:  # noqa: ANN401 - any part of a status
        known = _status(machine)
        if any(known.get(name) != value for name, value in fields.items()):
            path = self._path(MACHINES, "machines", machine["metadata"]["name"])
            self._request("PATCH", f"{path}/status", {"status": fields})

    def _patch_machine(self, machine: Raw, change: Raw) -> None:
        # As it was read: whatever came meanwhile is seen in the next pass.
        version = {"resourceVersion": machine["metadata"]["resourceVersion"]}
        path = self._path(MACHINES, "machines", machine["metadata"]["name"])
        now = self._request("GET", path, None)
        if now["spec"] != machine["spec"] or now["metadata"]["uid"] != machine["metadata"]["uid"]:
            return
        version["resourceVersion"] = now["metadata"]["resourceVersion"]
        self._request("PATCH", path, {"metadata": version | change["metadata"]})

    def _patch_claim(self, claim: Raw, change: Raw) -> None:
        meta = claim["metadata"]
        path = self._path(IPAM, "ipaddressclaims", meta["name"])
        version = {"resourceVersion": meta["resourceVersion"]}
        self._request("PATCH", path, {"metadata": version | change})

    def _get(self, plural: str, name: str) -> Raw | None:
        try:
            return self._request("GET", self._path(IPAM, plural, name), None)
        except Exception as error:  # whatever the caller's request raises
            if getattr(error, "status", None) != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _list(self, api: str, plural: str) -> list[Raw]:
        return list(self._request("GET", self._path(api, plural), None)["items"])

    def _path(self, api: str, plural: str, name: str = "") -> str:
        return f"/apis/{api}/namespaces/{self._namespace}/{plural}/{name}".rstrip("/")


def _kargs(ips: Iterable[str], gateway: str, nameservers: Iterable[str]) -> str:
    """The words of one device: a gateway of the other family is left out."""
    words = []
    way = ipaddress.ip_address(gateway) if gateway else None
    for text in ips:
        one = ipaddress.ip_interface(text)
        via = str(way) if way is not None and way.version == one.version else ""
        if isinstance(one, ipaddress.IPv4Interface):
            words.append(f"ip={one.ip}::{via}:{one.netmask}:::none ")
        else:
            bracketed = f"[{via}]" if via else ""
            words.append(f"ip=[{one.ip}]::{bracketed}:{one.network.prefixlen}:::none ")
    for text in nameservers:
        server = ipaddress.ip_address(text)
        words.append(f"nameserver={server if server.version == 4 else f'[{server}]'} ")  # noqa: PLR2004 - IPv4
    return "".join(words)


def _others(claim: Raw) -> list[str]:
    """The finalizers of everybody else."""
    return [one for one in claim["metadata"].get("finalizers") or () if one != CLAIM_FINALIZER]


def _devices(machine: Raw) -> list[Any]:
    value = ((machine.get("spec") or {}).get("providerSpec") or {}).get("value") or {}
    return list((value.get("network") or {}).get("devices") or ())


def _hooks(machine: Raw, name: str) -> list[Any]:
    return list((machine["spec"].get("lifecycleHooks") or {}).get(name) or ())


def _status(machine: Raw) -> Raw:
    return dict(machine.get("status") or {})
