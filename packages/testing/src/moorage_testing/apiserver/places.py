"""Places: what a path of the API means, and what the API server does with objects of that kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import unquote

from moorage_domain.kinds import Kind
from moorage_kube.client import kinds
from moorage_kube.client.kinds import resource_path
from moorage_testing.apiserver.messages import UNKNOWN_PATH, Refusal

_NO_STATUS = frozenset(
    {
        "configmaps", "secrets", "serviceaccounts", "events", "endpoints", "leases", "roles",
        "rolebindings", "clusterroles", "clusterrolebindings", "endpointslices", "ipaddresses",
        "ipallocations", "danmeps", "danmnets", "tenantnetworks", "clusternetworks",
        "mutatingwebhookconfigurations", "validatingwebhookconfigurations",
    }
)  # fmt: skip
# A group that looks built in, and is not.
_CUSTOM_GROUPS = frozenset({"danm.k8s.io"})
_NO_GENERATION = frozenset({"nodes", "namespaces", "services", "persistentvolumes"})
# Whose status a creation may bring along: kubelets create their nodes so.
_STATUS_AT_CREATION = frozenset({"nodes"})
_OWN_SUBRESOURCES_OF_NAMESPACES = ("status", "finalize")
_KIND_NAMES = {kind.plural: kind.name for kind in vars(kinds).values() if isinstance(kind, Kind)}


@dataclass(frozen=True, slots=True)
class Place:
    """All objects of a kind, those of one namespace, one object, or a part of one.

    ``""`` is a namespace, name or subresource that the path does not have.
    """

    prefix: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def group(self) -> str:
        """The API group, ``""`` for the core."""
        return self.prefix.split("/")[2] if self.prefix.startswith("/apis/") else ""

    @property
    def api_version(self) -> str:
        """As objects carry it."""
        return self.prefix.split("/", 2)[2]

    @property
    def resource(self) -> str:
        """As messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def path(self) -> str:
        """Of the object, without its subresource."""
        namespace = f"/namespaces/{self.namespace}" if self.namespace else ""
        name = f"/{self.name}" if self.name else ""
        return f"{self.prefix}{namespace}/{self.plural}{name}"

    @property
    def kind_name(self) -> str:
        """The kind of a built-in, ``""`` for one that is not known here."""
        return "" if self.custom else _KIND_NAMES.get(self.plural, "")

    @property
    def custom(self) -> bool:
        """Whether a CRD defines it."""
        built_in = self.group.endswith(".k8s.io") and self.group not in _CUSTOM_GROUPS
        return "." in self.group and not built_in

    @property
    def has_status(self) -> bool:
        """Whether spec and status are written apart."""
        return self.plural not in _NO_STATUS

    @property
    def keeps_status_at_creation(self) -> bool:
        """Whether a creation may bring a status along."""
        return not self.has_status or self.plural in _STATUS_AT_CREATION

    @property
    def counts_generations(self) -> bool:
        """Whether ``metadata.generation`` grows with the spec."""
        return self.custom or (self.has_status and self.plural not in _NO_GENERATION)

    @property
    def needs_version(self) -> bool:
        """Whether an object can be replaced only with its resourceVersion."""
        return self.custom or self.plural == "leases"

    def named(self, namespace: str, name: str) -> Place:
        """One object of this kind."""
        return replace(self, namespace=namespace, name=name, subresource="")

    def holds(self, other: Place) -> bool:
        """Whether an object is one of those meant here."""
        same = (self.prefix, self.plural) == (other.prefix, other.plural)
        return same and self.namespace in ("", other.namespace) and self.name in ("", other.name)


@lru_cache(maxsize=100_000)
def place_of(path: str) -> Place:
    """What a path means; raises :class:`Refusal` where it is none of the API's."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    length = {"api": 2, "apis": 3}.get(parts[0], 0)
    prefix, rest = "/" + "/".join(parts[:length]), parts[length:]
    namespace = ""
    match rest:
        case ["namespaces", name, plural, *more] if plural not in _OWN_SUBRESOURCES_OF_NAMESPACES:
            namespace, rest = name, [plural, *more]
        case _:
            pass
    if not length or not 1 <= len(rest) <= 3:  # noqa: PLR2004 - plural, name, subresource
        raise Refusal(404, "NotFound", UNKNOWN_PATH)
    plural, name, subresource = (*rest, "", "")[:3]
    return Place(prefix, plural, namespace, name, subresource)


def place_for(kind: Kind, name: str = "", namespace: str = "") -> Place:
    """The same from a kind."""
    return place_of(resource_path(kind, namespace or None, name or None))
