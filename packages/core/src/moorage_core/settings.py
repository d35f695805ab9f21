"""The settings of the core controller, beyond those that every controller has."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

from pydantic import Field

from moorage_api.netipallocation import MAX_DRAIN_SECONDS
from moorage_kube.manager.settings import ElectedSettings, also, in_group


class CoreSettings(ElectedSettings):
    """Settings of ``moorage-core``."""

    prog: ClassVar[str] = "moorage-core"
    version: ClassVar[str] = version("moorage-core")
    plugin_groups: ClassVar[tuple[str, ...]] = ("moorage.providers",)
    description: ClassVar[str] = (
        "Keeps reserved cloud addresses on healthy nodes: every NetIPAllocation lists addresses, a"
        " pool of nodes and the workload that needs them. An address leaves a node only when the"
        " workload has left it, or the node is lost. Two words may stand before the options:"
        " check says whether a controller works here, clean-up deletes every NetIPAllocation."
    )

    # One for the whole cluster, whatever namespaces it is installed in: nodes and addresses are of
    # no namespace, and two leaders would take them from each other.
    lease_namespace: str = Field(
        "kube-system",
        min_length=1,
        validation_alias=also("MOORAGE_LEASE_NAMESPACE", "LEASE_NAMESPACE"),
        description=(
            "Namespace of the Lease, the same for all installations in a cluster, so that only one"
            " of them leads."
        ),
        json_schema_extra=in_group("leadership"),
    )
    cloud_calls: int = Field(
        20,
        ge=1,
        le=200,
        description="Mutations of a cloud that may be under way at the same time.",
        json_schema_extra=in_group("cloud"),
    )
    cloud_timeout: float = Field(
        15.0,
        gt=0,
        le=300,
        description="Seconds after which one call to a cloud is given up.",
        json_schema_extra=in_group("cloud"),
    )
    drain_timeout: float = Field(
        3600.0,
        ge=0,
        le=MAX_DRAIN_SECONDS,
        description=(
            "Seconds for which pods may hold an address on a node that is drained, where the"
            " allocation names no workload, so that any pod counts, and no"
            " failover.drainTimeoutSeconds; then it moves although they still run there. 0: as"
            " long as they run."
        ),
        json_schema_extra=in_group("addresses"),
    )
