"""Keys of the queues: an object's key, behind its API group and what else tells kinds apart."""

from __future__ import annotations

from moorage_danm.kinds import NetworkKind
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.network import NetworkRef
from moorage_danm.reclaim.pending import NetworkKey


def endpoint_key(endpoint: Endpoint) -> str:
    """``group/namespace/name``."""
    return f"{endpoint.group}/{endpoint.key}"


def split_endpoint(key: str) -> tuple[str, str]:
    """Group, and the key in the store of the group."""
    group, _, rest = key.partition("/")
    return group, rest


def network_key(group: str, ref: NetworkRef) -> str:
    """``group/kind/namespace/name``, without a namespace of what has none."""
    return f"{group}/{ref.kind.value}/{ref.key}"


def split_network(key: str) -> NetworkKey:
    """Group and network."""
    group, kind, rest = key.split("/", 2)
    namespace, _, name = rest.rpartition("/")
    return group, NetworkRef(NetworkKind(kind), namespace, name)
