"""DANM's CNI: what happens on the API server when a pod gets its interfaces and loses them."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import uuid4

from moorage_domain.kinds import Kind
from moorage_kube.client.errors import Conflict, KubeError, NotFound
from moorage_testing.danm.ipam import InUse, freed, reserved

__all__ = ["Cni", "InUse"]

Raw = dict[str, Any]
_KINDS = {
    "network": "DanmNet",
    "tenantNetwork": "TenantNetwork",
    "clusterNetwork": "ClusterNetwork",
}


class DanmApi(Protocol):
    """The calls that it makes; a client of the API server has them, and so has the double."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Raw: ...

    async def list_all(self, kind: Kind) -> list[Raw]: ...

    async def create(self, kind: Kind, body: Raw, namespace: str | None = None) -> Raw: ...

    async def replace(self, kind: Kind, body: Raw) -> Raw: ...

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None: ...


async def _nothing() -> None:
    """It takes no time."""


class Cni:
    """The CNI of one host.

    Attributes:
        host: as the host says its name itself.
        teardown: awaited while an interface is taken down, between reading an endpoint and freeing
            its addresses.
    """

    def __init__(self, api: DanmApi, host: str, group: str = "danm.k8s.io") -> None:
        self._api = api
        self.host = host
        self.group = group
        self.teardown: Callable[[], Awaitable[None]] = _nothing
        self.torn_down: list[str] = []
        """Endpoints whose interface was taken down."""

    @property
    def endpoints(self) -> Kind:
        """The kind of its endpoints."""
        return Kind(self.group, "v1", "danmeps", "DanmEp", namespaced=True)

    def network_kind(self, name: str) -> Kind:
        """A kind of networks, by its name."""
        namespaced = name != "ClusterNetwork"
        return Kind(self.group, "v1", f"{name.lower()}s", name, namespaced=namespaced)

    async def add(self, pod: Raw, cid: str) -> list[Raw]:
        """Give a pod its interfaces; returns its endpoints. Raises :class:`InUse`.

        Endpoints of the very same pod, as after a restart of the whole cluster, go first.
        """
        for one in await self._api.list_all(self.endpoints):
            if _is_of(one, pod):
                await self._remove(one)
        return [await self._add_one(pod, cid, one) for one in self._interfaces(pod)]

    async def delete(self, cid: str) -> None:
        """Take the interfaces of a container down; errors are left behind, as the CNI does it."""
        with contextlib.suppress(KubeError):
            for one in await self._api.list_all(self.endpoints):
                if one["spec"].get("CID") == cid:
                    with contextlib.suppress(KubeError):
                        await self._remove(one)

    def _interfaces(self, pod: Raw) -> list[Raw]:
        annotations = pod["metadata"].get("annotations") or {}
        return list(json.loads(annotations.get(f"{self.group}/interfaces") or "[]"))

    async def _add_one(self, pod: Raw, cid: str, wanted: Raw) -> Raw:
        key = next(one for one in _KINDS if wanted.get(one))
        api_type, name = _KINDS[key], wanted[key]
        said = await self._reserve(api_type, name, pod["metadata"]["namespace"], wanted)
        body = self._endpoint(pod, cid, (api_type, name), said)
        return await self._api.create(self.endpoints, body, pod["metadata"]["namespace"])

    def _endpoint(self, pod: Raw, cid: str, network: tuple[str, str], said: Raw) -> Raw:
        meta, name = pod["metadata"], str(uuid4())
        return {
            "apiVersion": self.endpoints.api_version,
            "kind": self.endpoints.name,
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "spec": {
                "NetworkName": network[1],
                "NetworkType": "ipvlan",
                "EndpointID": name,
                "Interface": {
                    "Name": "eth0",
                    "Address": said["ip"],
                    "AddressIPv6": said["ip6"],
                    "MacAddress": "02:00:00:00:00:01",
                    "proutes": None,
                    "proutes6": None,
                },
                "Host": self.host,
                "Pod": meta["name"],
                "PodUID": meta["uid"],
                "CID": cid,
                "netns": f"/var/run/netns/{cid}",
                "apiType": network[0],
            },
        }

    async def _reserve(self, api_type: str, name: str, namespace: str, wanted: Raw) -> Raw:
        said: Raw = {}

        def change(network: Raw) -> Raw:
            nonlocal said
            new, said = reserved(network, wanted)
            return new

        await self._change(api_type, name, namespace, change)
        return said

    async def _remove(self, endpoint: Raw) -> None:
        """Interface, bits, endpoint: in this order, by what was read before."""
        spec, meta = endpoint["spec"], endpoint["metadata"]
        self.torn_down.append(meta["name"])
        await self.teardown()
        interface = spec.get("Interface") or {}
        addresses = {
            "ip": interface.get("Address") or "",
            "ip6": interface.get("AddressIPv6") or "",
        }
        with contextlib.suppress(NotFound):
            await self._change(
                spec.get("apiType") or "DanmNet",
                spec.get("NetworkName") or spec.get("NetworkID"),
                meta["namespace"],
                lambda network: freed(network, addresses),
            )
        with contextlib.suppress(NotFound):
            await self._api.delete(self.endpoints, meta["name"], meta["namespace"])

    async def _change(
        self, api_type: str, name: str, namespace: str, change: Callable[[Raw], Raw]
    ) -> None:
        """Read, change and replace, for ever; nothing is written where nothing changes."""
        kind = self.network_kind(api_type)
        while True:
            held = await self._api.get(kind, name, namespace if kind.namespaced else None)
            new = change(held)
            if new == held:
                return
            try:
                await self._api.replace(kind, new)
            except Conflict:
                continue
            return


def _is_of(endpoint: Raw, pod: Raw) -> bool:
    spec, meta = endpoint["spec"], pod["metadata"]
    same = endpoint["metadata"]["namespace"] == meta["namespace"] and spec["Pod"] == meta["name"]
    return bool(same and spec.get("PodUID") == meta["uid"])


def new_cid() -> str:
    """The id of a new container."""
    return secrets.token_hex(16)
