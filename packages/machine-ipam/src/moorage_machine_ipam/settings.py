"""The settings of machine-ipam, beyond those that every controller has."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from moorage_domain.lists import parts_of
from moorage_kube.manager.settings import ElectedSettings, in_group
from moorage_kube.manager.webhooks import WebhookSettings
from moorage_machine_ipam.kinds import OLDEST
from moorage_machine_ipam.projections import Aliases


class MachineIpamSettings(ElectedSettings, WebhookSettings):
    """Settings of ``moorage-machine-ipam``."""

    prog: ClassVar[str] = "moorage-machine-ipam"
    version: ClassVar[str] = version("moorage-machine-ipam")
    description: ClassVar[str] = (
        "Gives machines static addresses: an IPAddressClaim on an IPPool gets an IPAddress, and an"
        " IPAllocation says whose the address is, so that it has one owner at any time."
    )

    release_all: bool = Field(
        default=False,
        description="Take our finalizers off every claim and pool, and our lifecycle hooks off"
        " every Machine, and end: then nothing waits for this controller any more. No address is"
        " given away, and every IPAllocation stays. Start hooks are those of --hook-config."
        " It waits until no other replica leads: scale those down.",
        json_schema_extra=in_group("claims"),
    )
    ipam_version: Literal["auto", "v1beta1", "v1beta2"] = Field(
        "auto",
        description="Version of ipam.cluster.x-k8s.io in which claims and addresses are read and"
        " written. auto: the one that the API server prefers as the process starts; where no"
        " answer comes within 20 s, v1beta1.",
        json_schema_extra=in_group("claims"),
    )
    pool_aliases: str = Field(
        "",
        description="Pools of others that IPPools serve, as GROUP/KIND/NAME=IPPOOL, separated by"
        " commas: installer.openshift.io/IPPool/default-0=lab for the one that OpenShift's"
        " installer names and nobody serves. The IPPool is in the namespace of the claim.",
        json_schema_extra=in_group("claims"),
    )
    watch_clusters: bool = Field(
        default=True,
        description="Whether Clusters of Cluster API are watched, where they are served: nothing is"
        " allocated for one that is paused or missing.",
        json_schema_extra=in_group("claims"),
    )
    hook_config: str = Field(
        "",
        description="File, such as ipam-config.yaml, with the ranges and the lifecycle hook of"
        " Machines that get their addresses written into their providerSpec; read again whenever"
        " it changes. Empty: no Machine is written to.",
        json_schema_extra=in_group("machines"),
    )
    webhook_machines: bool = Field(
        default=False,
        description="Whether Machines with the label moorage.dev/static-addresses=true get"
        " addresses of --hook-config as they are created, by a webhook: for OpenShift as it is,"
        " whose Machines have no start hook.",
        json_schema_extra=in_group("machines"),
    )
    reservation_seconds: float = Field(
        300.0,
        ge=120.0,
        le=86_400.0,
        description="How long an address waits for a Machine whose creation the webhook has"
        " allowed; longer than any request may take.",
        json_schema_extra=in_group("machines"),
    )
    watch_machines: bool = Field(
        default=False,
        description="Whether Machines of OpenShift are watched also without --hook-config, so that"
        " addresses that they name are given to nobody else; their CRD must be there.",
        json_schema_extra=in_group("machines"),
    )

    @field_validator("pool_aliases")
    @classmethod
    def _aliases_are_readable(cls, text: str) -> str:
        _parsed(text)
        return text

    @property
    def served_version(self) -> str:
        """The version of claims; the oldest as long as nobody has asked the API server."""
        return OLDEST if self.ipam_version == "auto" else self.ipam_version

    def aliases(self) -> Aliases:
        """The names of our pools by what they stand for."""
        return _parsed(self.pool_aliases)

    @model_validator(mode="after")
    def _webhook_has_ranges(self) -> Self:
        if self.webhook_machines and not self.hook_config:
            raise ValueError(
                "--webhook-machines gives addresses of a file: name it with --hook-config"
            )
        return self


def _parsed(text: str) -> Aliases:
    """Raises ``ValueError`` for what is no alias."""
    found = {}
    for one in parts_of(text):
        served, _, pool = one.partition("=")
        parts = served.split("/")
        if len(parts) != 3 or not all((*parts, pool)):  # noqa: PLR2004 - group, kind and name
            raise ValueError(
                f"{one!r} is no alias; write GROUP/KIND/NAME=IPPOOL, as in"
                " installer.openshift.io/IPPool/default-0=lab"
            )
        group, kind, name = parts
        found[group, kind.lower(), name] = pool
    return found
