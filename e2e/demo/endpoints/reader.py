"""A reader of all slices of the Service: what it saw, one change after the other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from e2e.demo.endpoints import manifests
from e2e.demo.endpoints.observed import View
from moorage_endpoints import names
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.processes import Command

Object = dict[str, Any]

_SELECTOR = quote(f"{names.SERVICE_LABEL}={manifests.NAME}", safe="")
SLICES = (
    f"/apis/discovery.k8s.io/v1/namespaces/{manifests.NAMESPACE}/endpointslices"
    f"?labelSelector={_SELECTOR}"
)


class Reader:
    """Watches from now on; it ends with the cluster."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        argv = [str(tool_path("kubectl")), f"--kubeconfig={cluster.kubeconfig}"]
        argv += ["get", "--raw", f"{SLICES}&watch=true"]
        self._child = cluster.run.start(Command("reader", argv))
        self._log: Path = self._child.log
        self._position = 0
        self._slices: dict[str, Object] = {}
        self._views = [View()]

    def begin(self) -> None:
        """From now on only what it sees now, and later, counts."""
        self._views = [self.views()[-1]]

    def views(self) -> tuple[View, ...]:
        """All since it was told to begin; raises ChildError if it has ended."""
        self._child.check()
        with self._log.open("rb") as log:
            log.seek(self._position)
            # The last line may still be being written.
            whole, end, _ = log.read().rpartition(b"\n")
        self._position += len(whole) + len(end)
        for line in whole.splitlines():
            self._take(json.loads(line))
        return tuple(self._views)

    def _take(self, event: Object) -> None:
        raw = event["object"]
        name = raw["metadata"]["name"]
        if event["type"] == "DELETED":
            self._slices.pop(name, None)
        else:
            self._slices[name] = raw
        self._views.append(view_of(self._slices.values()))


def view_of(slices: Iterable[Object]) -> View:
    """Their ready addresses, by who manages the slice."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for raw in slices:
        ours = raw["metadata"]["labels"].get(names.MANAGED_BY_LABEL) == names.MANAGER
        for one in raw.get("endpoints") or ():
            if one["conditions"].get("ready"):
                found[ours].update(one["addresses"])
    return View(frozenset(found[False]), frozenset(found[True]))
