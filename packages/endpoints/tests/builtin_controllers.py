"""The controllers of Kubernetes that write endpoints, as far as others can see what they do.

From their source: all three return at once for a Service without a selector and clean nothing up;
that of Endpoints does not look at changes of Endpoints but for deletions; that of slices looks at
its own slices; that of mirroring copies Endpoints of Services without a selector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from moorage_endpoints import names
from moorage_endpoints.kinds import ENDPOINTS, SERVICES, SLICES
from moorage_kube.client.kinds import PODS
from moorage_testing.apiserver import ApiServer
from moorage_testing.apiserver.objects import Change

LAG_SECONDS = 0.05
Raw = dict[str, Any]


class BuiltinControllers:
    """Writes as they do, a moment after each change; ``writes`` counts those of Endpoints."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._due: set[str] = set()
        self._made = 0
        self.writes = 0
        self.foreign_rewrites = 0
        """How often a slice of theirs was changed or deleted by somebody else."""
        server.world.on_change.append(self._changed)

    def resync(self) -> None:
        """Look at everything, as they do at their start and every few hours."""
        for raw in self._server.all_of(SERVICES):
            self._soon(_key(raw))

    def _changed(self, change: Change) -> None:
        raw = change.after or change.before
        if raw is None:
            return
        plural = change.place.plural
        if plural == "services":
            self._soon(_key(raw))
        elif plural == "endpoints":
            self._soon(_key(raw) if change.after is None else f"mirror {_key(raw)}")
        elif plural == "endpointslices":
            self._slice_changed(change, raw)
        elif plural == "pods":
            self._pod_changed(change)

    def _pod_changed(self, change: Change) -> None:
        for one in (change.before, change.after):
            for service in self._services_of(one):
                self._soon(_key(service))

    def _slice_changed(self, change: Change, raw: Raw) -> None:
        labels = raw["metadata"].get("labels") or {}
        if labels.get(names.MANAGED_BY_LABEL) != names.KUBERNETES:
            return
        key = f"{raw['metadata']['namespace']}/{labels.get(names.SERVICE_LABEL)}"
        service = self._service(key)
        if change.after is None and service and service["spec"].get("selector"):
            self.foreign_rewrites += 1
        self._soon(key)

    def _services_of(self, pod: Raw | None) -> Iterator[Raw]:
        if pod is None:
            return
        labels = pod["metadata"].get("labels") or {}
        for service in self._server.all_of(SERVICES, pod["metadata"]["namespace"]):
            selector = service["spec"].get("selector")
            if selector and selector.items() <= labels.items():
                yield service

    def _soon(self, what: str) -> None:
        if what in self._due:
            return
        self._due.add(what)
        asyncio.get_running_loop().call_later(LAG_SECONDS, self._sync, what)

    def _sync(self, what: str) -> None:
        self._due.discard(what)
        key = what.removeprefix("mirror ")
        service = self._service(key)
        if key == what and service is not None and _is_theirs(service):
            self._sync_slices(service)
            self._sync_endpoints(service)
        self._mirror(key, service)

    def _service(self, key: str) -> Raw | None:
        namespace, _, name = key.partition("/")
        return self._server.find(SERVICES, name, namespace)

    def _pods(self, service: Raw) -> list[Raw]:
        meta, selector = service["metadata"], service["spec"]["selector"]
        return [
            pod
            for pod in self._server.all_of(PODS, meta["namespace"])
            if selector.items() <= (pod["metadata"].get("labels") or {}).items()
            and (pod.get("status") or {}).get("podIPs")
            and pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]

    def _sync_slices(self, service: Raw) -> None:
        for family in service["spec"].get("ipFamilies") or ("IPv4",):
            endpoints = [
                {
                    "addresses": [address],
                    "conditions": {"ready": _is_ready(pod), "serving": _is_ready(pod)},
                    "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
                }
                for pod in self._pods(service)
                for address in _addresses(pod, family)
            ]
            self._store_slice(service, names.KUBERNETES, family, endpoints)

    def _store_slice(self, service: Raw, manager: str, family: str, endpoints: list[Raw]) -> None:
        meta = service["metadata"]
        name = f"{meta['name']}-{manager[13:16]}-{family.lower()}"
        labels = {names.SERVICE_LABEL: meta["name"], names.MANAGED_BY_LABEL: manager}
        ports = [
            {"name": one.get("name", ""), "port": one["port"], "protocol": "TCP"}
            for one in service["spec"].get("ports") or ()
        ]
        owner = {"kind": "Service", "name": meta["name"], "uid": meta["uid"], "controller": True}
        found = self._server.find(SLICES, name, meta["namespace"])
        fields: Raw = {"addressType": family, "endpoints": endpoints, "ports": ports}
        if found is not None and {key: found.get(key) for key in fields} == fields:
            return
        about: Raw = {"labels": labels, "ownerReferences": [owner]}
        self._put(SLICES, name, meta["namespace"], metadata=about, **fields)

    def _sync_endpoints(self, service: Raw) -> None:
        meta = service["metadata"]
        family = (service["spec"].get("ipFamilies") or ("IPv4",))[0]
        found: dict[bool, list[Raw]] = {True: [], False: []}
        for pod in self._pods(service):
            for address in _addresses(pod, family):
                found[_is_ready(pod)].append({"ip": address})
        ports = [
            {"name": one.get("name", ""), "port": one["port"], "protocol": "TCP"}
            for one in service["spec"].get("ports") or ()
        ]
        subset: Raw = {"addresses": found[True], "notReadyAddresses": found[False], "ports": ports}
        subsets = [{key: one for key, one in subset.items() if one}] if any(found.values()) else []
        known = self._server.find(ENDPOINTS, meta["name"], meta["namespace"])
        if known is not None and known.get("subsets", []) == subsets:
            return
        self.writes += 1
        labels = {names.ENDPOINTS_MANAGED_BY_LABEL: names.ENDPOINTS_MANAGER}
        # What others annotated stays, as the real one leaves it.
        notes = (known["metadata"].get("annotations") or {}) if known else {}
        about = {"labels": labels, "annotations": notes}
        self._put(ENDPOINTS, meta["name"], meta["namespace"], metadata=about, subsets=subsets)

    def _mirror(self, key: str, service: Raw | None) -> None:
        namespace, _, name = key.partition("/")
        endpoints = self._server.find(ENDPOINTS, name, namespace)
        labels = (endpoints["metadata"].get("labels") or {}) if endpoints else {}
        wanted = (
            endpoints is not None
            and service is not None
            and not service["spec"].get("selector")
            and labels.get(names.SKIP_MIRROR_LABEL) != "true"
        )
        if wanted and service is not None and endpoints is not None:
            addresses = [
                {"addresses": [one["ip"]], "conditions": {"ready": True}}
                for subset in endpoints.get("subsets") or ()
                for one in subset.get("addresses") or ()
            ]
            self._store_slice(service, names.MIRRORING, "IPv4", addresses)
            return
        for raw in self._server.all_of(SLICES, namespace):
            mirrored = raw["metadata"].get("labels") or {}
            if mirrored.get(names.MANAGED_BY_LABEL) == names.MIRRORING and (
                mirrored.get(names.SERVICE_LABEL) == name
            ):
                self._server.remove(SLICES, raw["metadata"]["name"], namespace)

    def _put(self, kind: Any, name: str, namespace: str, **fields: Any) -> None:
        """Another object has another uid."""
        if self._server.find(kind, name, namespace) is None:
            self._made += 1
            fields["uid"] = f"built-in-{self._made}"
        self._server.put(kind, name, namespace, **fields)


def _is_theirs(service: Mapping[str, Any]) -> bool:
    spec = service["spec"]
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def _key(raw: Mapping[str, Any]) -> str:
    return f"{raw['metadata']['namespace']}/{raw['metadata']['name']}"


def _addresses(pod: Mapping[str, Any], family: str) -> Iterator[str]:
    for one in pod["status"]["podIPs"]:
        if (":" in one["ip"]) is (family == "IPv6"):
            yield one["ip"]


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]
