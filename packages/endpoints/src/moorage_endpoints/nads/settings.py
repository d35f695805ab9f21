"""The settings of net-attach-defs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from moorage_endpoints.nads.model import Protection
from moorage_endpoints.nads.names import MULTUS_NAMESPACE
from moorage_kube.manager.settings import CommonSettings, in_group


class NadSettings(CommonSettings):
    """Settings of a process that protects net-attach-defs."""

    protect_nads: Literal["finalizer", "resurrect", "off"] = Field(
        "finalizer",
        description="What keeps a net-attach-def (NetworkAttachmentDefinition) that pods use."
        " finalizer: it stays until the last pod is gone. resurrect: it goes, and is created again,"
        " as by k8s-net-attach-def-controller. off: nothing does, and no finalizer of ours stays.",
        json_schema_extra=in_group("net-attach-defs"),
    )
    protect_templates: bool = Field(
        default=False,
        description="Whether Deployments, StatefulSets and DaemonSets use the net-attach-defs that"
        " their pod templates name, although they have no pod at the moment.",
        json_schema_extra=in_group("net-attach-defs"),
    )
    webhook_nads: bool = Field(
        default=False,
        description="Whether a webhook refuses net-attach-defs that no CNI plug-in could read, and"
        " their deletion while pods use them.",
        json_schema_extra=in_group("net-attach-defs"),
    )
    multus_namespace: str = Field(
        MULTUS_NAMESPACE,
        min_length=1,
        max_length=63,
        description="Where Multus looks for the net-attach-def that the annotation"
        " v1.multus-cni.io/default-network of a pod names without a namespace.",
        json_schema_extra=in_group("net-attach-defs"),
    )
    release_all: bool = Field(
        default=False,
        description="Take our finalizers and marks off every net-attach-def, give each Service that"
        " was handed over its selector back, and end: then nothing waits for this controller any"
        " more. It waits until no other replica leads: scale those down.",
        json_schema_extra=in_group("net-attach-defs"),
    )

    @property
    def protection(self) -> Protection:
        """What keeps a net-attach-def that pods use."""
        return Protection(self.protect_nads)
