"""The settings of the core controller, beyond those that every controller has."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from moorage_api.netipallocation import MAX_DRAIN_SECONDS
from moorage_core.limits import Limits
from moorage_core.model import ForeignPolicy
from moorage_domain.label_selectors import Selector, is_label_key
from moorage_domain.lists import parts_of
from moorage_domain.ranges import parse_ranges
from moorage_kube.manager.plugins import PluginMissing, require_installed
from moorage_kube.manager.settings import ElectedSettings, also, in_group

PLUGINS = "moorage.providers"
SETTLED_TAINTS = "moorage.dev/address-pending,example.com/address-pending,kubeip.com/not-ready"
"""Keys that our documents name, and kubeip's; none of them says anything but that."""


class CoreSettings(ElectedSettings):
    """Settings of ``moorage-core``."""

    prog: ClassVar[str] = "moorage-core"
    version: ClassVar[str] = version("moorage-core")
    plugin_groups: ClassVar[tuple[str, ...]] = (PLUGINS,)
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
    cloud_cluster: str = Field(
        "",
        description=(
            "Name of this cluster as the tags or labels of its machines have it in the cloud, such"
            " as kubernetes.io/cluster/NAME; a machine of another cluster, or of none, gets no"
            " address. Empty: that is not compared."
        ),
        json_schema_extra=in_group("cloud"),
    )
    cloud_regions: int = Field(
        16,
        ge=1,
        le=1000,
        description=(
            "Regions of clouds that may be in use at the same time, each with a client of its own;"
            " allocations of further ones say TooManyRegions."
        ),
        json_schema_extra=in_group("cloud"),
    )
    cloud_timeout: float = Field(
        15.0,
        gt=0,
        le=300,
        description="Seconds after which one call to a cloud is given up.",
        json_schema_extra=in_group("cloud"),
    )
    status_key_secret: str = Field(
        "",
        pattern="^([^/]+/[^/]+)?$",
        description=(
            "Secret, as namespace/name, with the key by which the controller knows what it wrote"
            " into a status itself, also before a restart; where its data.key is absent it makes"
            " one. Empty: a key that ends with the process."
        ),
        json_schema_extra=in_group("addresses"),
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
    settled_taints: str = Field(
        SETTLED_TAINTS,
        description=(
            "Keys of taints that spec.settledTaint may name, separated by commas; no other taint"
            " is taken off a node. Empty: none is."
        ),
        json_schema_extra=in_group("allocations"),
    )
    allow_foreign_policy: Literal["Never", "IfUnmanaged", "Always"] = Field(
        "Never",
        description="The most that spec.foreignPolicy may ask for.",
        json_schema_extra=in_group("allocations"),
    )
    allow_providers: str = Field(
        "",
        description=(
            "Clouds that allocations may name, separated by commas; no other one is called."
            " Empty: all that are installed."
        ),
        json_schema_extra=in_group("allocations"),
    )
    allow_regions: str = Field(
        "",
        description=(
            "Regions that allocations must name one of, separated by commas; no other one is"
            " called. Empty: all."
        ),
        json_schema_extra=in_group("allocations"),
    )
    allow_addresses: str = Field(
        "",
        description=(
            "Networks, ranges or single addresses that allocations may list addresses of, separated"
            " by commas; no other address is read or moved. Empty: all."
        ),
        json_schema_extra=in_group("allocations"),
    )
    allow_nodes: str = Field(
        "",
        description=(
            "Label selector that nodes must match to get an address, whatever spec.nodeSelector"
            " says; an address that others brought to another node stays there. Empty: all."
        ),
        json_schema_extra=in_group("allocations"),
    )

    @field_validator("settled_taints")
    @classmethod
    def _taints_are_keys(cls, text: str) -> str:
        for key in parts_of(text):
            if not is_label_key(key):
                raise ValueError(f"{key!r} is no taint key; write one like example.com/pending")
        return text

    @field_validator("allow_providers")
    @classmethod
    def _providers_are_installed(cls, text: str) -> str:
        for name in parts_of(text):
            try:
                require_installed(PLUGINS, name)
            except PluginMissing as error:
                raise ValueError(str(error)) from error
        return text

    @field_validator("allow_addresses")
    @classmethod
    def _addresses_are_ranges(cls, text: str) -> str:
        parse_ranges(text)
        return text

    @field_validator("allow_nodes")
    @classmethod
    def _nodes_are_selected(cls, text: str) -> str:
        Selector.parse(text)
        return text

    def limits(self) -> Limits:
        """What no allocation may go beyond."""
        return Limits(
            settled_taints=parts_of(self.settled_taints),
            foreign_policy=ForeignPolicy(self.allow_foreign_policy),
            providers=parts_of(self.allow_providers),
            regions=parts_of(self.allow_regions),
            addresses=parse_ranges(self.allow_addresses),
            nodes=Selector.parse(self.allow_nodes),
        )
