"""Which cluster the machine can have, and that cluster."""

from __future__ import annotations

import os

from e2e.clusters.cluster import Cluster, ClusterError
from moorage_testing import nodes
from moorage_testing.cluster.go_tool import ToolchainError

KINDS = ("nodes", "embedded", "kind", "existing")


def open_cluster(kind: str, host: str, image: str, app_image: str) -> Cluster:
    """Start a cluster, or find it; ``kind`` ``""`` = the best that this machine can have.

    Raises ClusterError with what is missing.
    """
    # Each kind is imported only where it is used: none needs what the others need.
    match kind or best():
        case "nodes":
            return _real_nodes()
        case "embedded":
            from e2e.clusters.embedded import LocalCluster  # noqa: PLC0415 - as above

            return LocalCluster.start()
        case "kind":
            from e2e.clusters.kind import KindCluster  # noqa: PLC0415 - as above

            return KindCluster.start()
        case _:
            from e2e.clusters.existing import ExistingCluster  # noqa: PLC0415 - as above

            return ExistingCluster(host, image, app_image)


def best() -> str:
    """Real nodes where they run; packages are installed where root may, which is said before.

    In CI a machine that could have real nodes must: there no other is taken instead.
    """
    try:
        if nodes.can_install():
            nodes.install_missing({**nodes.NODE_PACKAGES, **nodes.IMAGE_PACKAGES})
        nodes.check_machine()
    except nodes.NodesUnavailableError as error:
        could = isinstance(error, nodes.PackagesMissingError) and nodes.can_install()
        if could and os.environ.get("CI"):
            raise ClusterError(str(error)) from error
        print(f"no real nodes here, so the embedded control plane: {error}")  # noqa: T201 - a person waits
        return "embedded"
    return "nodes"


def _real_nodes() -> Cluster:
    from e2e.clusters.real import RealCluster  # noqa: PLC0415 - as above

    try:
        nodes.build_tools()
        real = nodes.RealNodes.start(networks=True)
    except (ToolchainError, nodes.NodesUnavailableError) as error:
        raise ClusterError(str(error)) from error
    try:
        return RealCluster(real)
    except BaseException:
        real.stop()
        raise
