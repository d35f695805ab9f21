"""What all clouds of one demo share: a control plane, and an emulator of each cloud coming up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.demo.core import manifests
from e2e.demo.core.cloud import Cloud, EmulatedCloud
from e2e.demo.core.options import Options
from e2e.demo.rights import CONTROLLER_NAMESPACE, CRDS, controller_rights
from moorage_core.rbac import RULES
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Run


@dataclass(frozen=True, slots=True)
class Stage:
    """The shared parts; installations in single clouds are set up on it, one after the other.

    Attributes:
        cluster: a control plane with the CRDs, without nodes.
        kubeconfig: the controller's own identity, with its rights only.
        emulators: the process of each cloud, which may not serve yet.
    """

    cluster: EmbeddedCluster
    kubeconfig: Path
    emulators: Mapping[Cloud, Child]


@contextlib.contextmanager
def open_stage(options: Options, report: Callable[[str], None]) -> Iterator[Stage]:
    """The stage, while the block runs. ``report`` receives what is being waited for.

    Raises ToolchainError, ChildError, KubectlError or ApiError.
    """
    with Run.open() as run:
        # Each part takes seconds to start, so they start at the same time.
        emulators = {
            cloud: EmulatedCloud.start(run, cloud, options.nodes) for cloud in options.clouds
        }
        report("the control plane is starting: etcd, API server, scheduler, controller manager")
        with EmbeddedCluster.start(
            node_monitor_grace_seconds=options.monitor_grace_seconds,
            eviction_seconds=options.eviction_seconds,
        ) as cluster:
            for crd in sorted(CRDS.glob("*.yaml")):
                cluster.apply(crd.read_text(encoding="utf-8"))
            account = f"{CONTROLLER_NAMESPACE}/{manifests.CONTROLLER}"
            kubeconfig = cluster.kubeconfig_for(account)
            cluster.apply(controller_rights(manifests.CONTROLLER, RULES))
            yield Stage(cluster, kubeconfig, emulators)
