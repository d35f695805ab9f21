"""Kinds: which resources there are, and the paths under which the API server serves them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the Kubernetes API.

    Attributes:
        group: ``""`` for the core group.
        plural: as in paths and rights.
        name: as in ``kind:`` of a manifest.
        namespaced: whether its objects live in namespaces.
    """

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As in ``apiVersion:`` of a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """The path of one object, or of all in a namespace, or of all there are.

        Raises ``ValueError`` where the path would mean something else than was asked for: a name
        no object can have, an object without its namespace, a namespace where there is none.
        """
        if namespace is not None and not self.namespaced:
            raise ValueError(f"{self.plural} are in no namespace, {namespace!r} was given")
        if self.namespaced and name is not None and namespace is None:
            raise ValueError(f"{self.plural} {name!r} needs a namespace")
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment(name))
        if subresource is not None:
            parts.append(subresource)
        return "/" + "/".join(parts)


def _segment(name: str) -> str:
    # An empty name would turn a look at one object into a look at all; dots would climb.
    if name in ("", ".", ".."):
        raise ValueError(f"no object is called {name!r}")
    return quote(name, safe=":")


NODES = Kind("", "v1", "nodes", "Node", namespaced=False)
PODS = Kind("", "v1", "pods", "Pod", namespaced=True)
CONFIGMAPS = Kind("", "v1", "configmaps", "ConfigMap", namespaced=True)
NAMESPACES = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
EVENTS = Kind("", "v1", "events", "Event", namespaced=True)
SERVICE_ACCOUNTS = Kind("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment", namespaced=True)
STATEFULSETS = Kind("apps", "v1", "statefulsets", "StatefulSet", namespaced=True)
DAEMONSETS = Kind("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
REPLICASETS = Kind("apps", "v1", "replicasets", "ReplicaSet", namespaced=True)
NETIPALLOCATIONS = Kind(
    "netinfra.darkbrains.com", "v1alpha1", "netipallocations", "NetIPAllocation", namespaced=False
)
