"""The rights of controllers as the chart installs them, admission policies included."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helm import Helm, Object, Values

from moorage_testing.cluster import EmbeddedCluster

# What the tests of the settled taint call it.
PENDING = "example.com/address-pending"
_KINDS = (
    "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret", "ServiceAccount",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
)  # fmt: skip


def grant(
    cluster: EmbeddedCluster, full_name: str, *, any_lease: bool = False, clean_up: bool = False
) -> None:
    """Give the core's ServiceAccount what a release in its namespace gives it, and no more.

    ``any_lease``: besides, it may lead by a Lease of any name, so that no test waits for the Lease
    of another one. Pods of the namespace ``default`` may be evicted.
    """
    namespace, account = full_name.split("/")
    values = {
        "fullnameOverride": account,
        # Its own: the Lease of all installations is in another one.
        "config": {"leaseNamespace": namespace},
        "policies": {"settledTaints": [PENDING]},
        "cleanUp": {"enabled": clean_up},
    }
    objects = rights(namespace, {"core": values})
    if any_lease:
        objects = [one for one in objects if not one["metadata"]["name"].endswith("-names")]
    for one in objects:
        for rule in one.get("rules", ()) if any_lease and one["kind"] == "Role" else ():
            if rule["resources"] == ["leases"]:
                rule.pop("resourceNames", None)
    evictable = {"name": "default", "labels": {"moorage.dev/evictions": "allowed"}}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": evictable}, *objects])


def rights(namespace: str, values: Values) -> list[Object]:
    """The objects of a release with these values that say what its accounts may do."""
    return copy.deepcopy(_rendered(namespace, json.dumps(values)))


@functools.cache
def _rendered(namespace: str, values: str) -> list[Object]:
    with TemporaryDirectory() as folder:
        objects = Helm("helm3", Path(folder)).render(json.loads(values), namespace=namespace)
    return [one for one in objects if one["kind"] in _KINDS]


@contextlib.contextmanager
def held(cluster: EmbeddedCluster, namespace: str, part: str, **values: Any) -> Iterator[None]:
    """Hold the ServiceAccount ``example`` of a namespace to what a part needs, by its policies.

    Its Lease may have any name. In ``values``, ``NAMESPACE`` stands for the namespace.
    """
    wanted = {"enabled": True, "fullnameOverride": "example", **values}
    made = json.dumps(rights("NAMESPACE", {"core": {"enabled": False}, part: wanted}))
    objects = [
        one
        for one in json.loads(made.replace("NAMESPACE", namespace))
        if "Policy" in one["kind"] and not one["metadata"]["name"].endswith("-names")
    ]
    cluster.apply(objects)
    try:
        yield
    finally:
        without_policies(cluster, objects)


def without_policies(cluster: EmbeddedCluster, objects: list[Object]) -> None:
    """Take the policies among the objects of a release away again, so that they hold no other."""
    names = [
        f"{one['kind']}/{one['metadata']['name']}" for one in objects if "Policy" in one["kind"]
    ]
    if names:
        cluster.kubectl("delete", "--ignore-not-found", *names)
