"""The core controller's rights as the chart installs them, admission policies included."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from tempfile import TemporaryDirectory

from helm import Helm, Object

from moorage_testing.cluster import EmbeddedCluster

# What the tests of the settled taint call it.
PENDING = "example.com/address-pending"
_KINDS = (
    "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
)  # fmt: skip


def grant(
    cluster: EmbeddedCluster, full_name: str, *, any_lease: bool = False, clean_up: bool = False
) -> None:
    """Give a ServiceAccount what a release in its namespace gives it, and hold it to that.

    ``any_lease``: besides, it may lead by a Lease of any name, so that no test waits for the Lease
    of another one. Pods of the namespace ``default`` may be evicted.
    """
    namespace, account = full_name.split("/")
    objects = copy.deepcopy(_release(namespace, account, clean_up=clean_up))
    for one in objects:
        for rule in one.get("rules", ()) if any_lease and one["kind"] == "Role" else ():
            rule.pop("resourceNames", None)
    evictable = {"name": "default", "labels": {"moorage.dev/evictions": "allowed"}}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": evictable}, *objects])


@functools.cache
def _release(namespace: str, account: str, *, clean_up: bool) -> list[Object]:
    core = {
        "fullnameOverride": account,
        "policies": {"settledTaints": [PENDING]},
        "cleanUp": {"enabled": clean_up},
    }
    with TemporaryDirectory() as folder:
        objects = Helm("helm3", Path(folder)).render({"core": core}, namespace=namespace)
    return [one for one in objects if one["kind"] in _KINDS]
