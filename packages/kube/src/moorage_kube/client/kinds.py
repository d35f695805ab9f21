"""The built-in kinds in use, and the paths under which the API server serves any kind."""

from __future__ import annotations

from urllib.parse import quote

from moorage_domain.kinds import Kind


def resource_path(
    kind: Kind,
    namespace: str | None = None,
    name: str | None = None,
    subresource: str | None = None,
) -> str:
    """The path of one object, or of all in a namespace, or of all there are.

    Raises ``ValueError`` where the path would mean something else than was asked for: a name
    no object can have, an object without its namespace, a namespace where there is none.
    """
    if namespace is not None and not kind.namespaced:
        raise ValueError(f"{kind.plural} are in no namespace, {namespace!r} was given")
    if kind.namespaced and name is not None and namespace is None:
        raise ValueError(f"{kind.plural} {name!r} needs a namespace")
    parts = ["apis", kind.group, kind.version] if kind.group else ["api", kind.version]
    if namespace is not None:
        parts += ["namespaces", _segment(namespace)]
    parts.append(kind.plural)
    if name is not None:
        parts.append(_segment(name))
    if subresource is not None:
        parts.append(subresource)
    return "/" + "/".join(parts)


def _segment(name: str) -> str:
    # An empty name would turn a read of one object into a list of all; dots would climb.
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
SELF_SUBJECT_REVIEWS = Kind(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment", namespaced=True)
STATEFULSETS = Kind("apps", "v1", "statefulsets", "StatefulSet", namespaced=True)
DAEMONSETS = Kind("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
REPLICASETS = Kind("apps", "v1", "replicasets", "ReplicaSet", namespaced=True)
SECRETS = Kind("", "v1", "secrets", "Secret", namespaced=True)
VALIDATING_WEBHOOK_CONFIGURATIONS = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
MUTATING_WEBHOOK_CONFIGURATIONS = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)
