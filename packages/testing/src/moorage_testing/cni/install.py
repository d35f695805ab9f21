"""The meta plug-in on a node: its program, its config, and what it may do in the cluster."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.cluster.objects import cluster_role_of, granted
from moorage_testing.cni import meta_plugin
from moorage_testing.cni.crd import GROUP, PLURAL, nad_crd

NAME = "moorage-networks"
ACCOUNT = "kube-system/moorage-networks"
FOLDER = "/var/cni"
"""As the node sees it: the plug-ins of the machine, and this one."""
ACCESS = "/var/etc/networks.json"


def let_in(cluster: EmbeddedCluster, ca_file: str) -> bytes:
    """The kind and the account in a cluster; returns what the file :data:`ACCESS` says.

    ``ca_file`` as the node sees it.
    """
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
        {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get"]},
    ]
    role = cluster_role_of(ACCOUNT.partition("/")[2], *rules)
    cluster.apply([nad_crd(), *granted(role, ACCOUNT)])
    token = cluster.service_account_token(ACCOUNT)
    return json.dumps({"server": cluster.server, "ca_file": ca_file, "token": token}).encode()


def write_plugins(folder: Path, plugins: Path) -> None:
    """Make ``folder`` hold the meta plug-in beside those that are in ``plugins``."""
    folder.mkdir(parents=True, exist_ok=True)
    for plugin in plugins.iterdir():
        folder.joinpath(plugin.name).symlink_to(plugin)
    program = folder / NAME
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -I -S {Path(meta_plugin.__file__).resolve()} "$@"\n'
    )
    program.chmod(0o755)


def config_of(delegate: Mapping[str, Any]) -> dict[str, Any]:
    """The config of the meta plug-in before that of the cluster's network."""
    return {"type": NAME, "delegate": dict(delegate), "access": ACCESS, "state": "/run/networks"}
