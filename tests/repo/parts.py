"""The controllers that have a chart: all that is generated for each is generated from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from moorage_api import ipallocation, ipclaim, ipclaimpool, ipnode, ippool, netipallocation
from moorage_api.crds import Definition
from moorage_core import rbac as core_rbac
from moorage_core import reasons as core_reasons
from moorage_core.settings import CoreSettings
from moorage_danm import rbac as danm_rbac
from moorage_danm import reasons as danm_reasons
from moorage_danm.settings import DanmSettings
from moorage_danm.webhook import rbac as danm_webhook_rbac
from moorage_danm.webhook.settings import DanmWebhookSettings
from moorage_domain.rbac import PolicyRule
from moorage_domain.reasons import Reason
from moorage_endpoints import rbac as endpoints_rbac
from moorage_endpoints import reasons as endpoints_reasons
from moorage_endpoints.nads import rbac as nads_rbac
from moorage_endpoints.settings import EndpointsSettings
from moorage_external_ip import rbac as external_ip_rbac
from moorage_external_ip import reasons as external_ip_reasons
from moorage_external_ip.placement import reasons as placement_reasons
from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.manager.settings import CommonSettings, ElectedSettings
from moorage_machine_ipam import rbac as machine_ipam_rbac
from moorage_machine_ipam import reasons as machine_ipam_reasons
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_node_agent import rbac as node_agent_rbac
from moorage_node_agent import reasons as node_agent_reasons
from moorage_node_agent.settings import NodeAgentSettings

from . import series
from .series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One controller.

    Attributes:
        name: of its folders in ``packages``, of subcharts and dashboards, and of its image.
        on: whether the chart installs it by default.
        kinds: those that it needs, first the one that people write. Where the part is off, its
            kinds are not installed either. None where all of them are those of somebody else.
        rules: what it may do.
        webhook: settings of its admission service, where that is a process of its own; they are
            ``webhook.config`` in the values.
        optional: what it needs besides where that is switched on, by what its rights are for.
        clean_up: what its clean-up may do besides, in all namespaces, by the key of
            ``files/rbac.yaml``.
        not_values: settings that are no values of the chart: flags of a run that ends, and such as
            have no effect.
    """

    name: str
    settings: type[CommonSettings]
    on: bool
    kinds: tuple[Definition, ...]
    rules: tuple[PolicyRule, ...]
    reasons: tuple[Reason, ...]
    series: Callable[[], list[Series]]
    clean_up: Mapping[str, tuple[PolicyRule, ...]] = field(default_factory=dict)
    not_values: frozenset[str] = frozenset()
    webhook: type[CommonSettings] | None = None
    optional: Mapping[str, tuple[PolicyRule, ...]] = field(default_factory=dict)

    @property
    def all_rules(self) -> tuple[PolicyRule, ...]:
        """With all that can be switched on."""
        return (*self.rules, *(rule for more in self.optional.values() for rule in more))

    @property
    def agent(self) -> bool:
        """Whether it runs on every node, and none of it leads: a DaemonSet."""
        return not issubclass(self.settings, ElectedSettings)

    @property
    def key(self) -> str:
        """Its key in the values of the umbrella: ``external-ip`` is ``externalIp`` there."""
        first, *rest = self.name.split("-")
        return first + "".join(word.capitalize() for word in rest)

    @property
    def module(self) -> str:
        """The name that Python imports it by."""
        return f"moorage_{self.name.replace('-', '_')}"


def _without_effect(settings: type[CommonSettings]) -> frozenset[str]:
    """Flags of first versions that are only understood."""
    return frozenset(
        name
        for name, field in settings.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and "without_effect" in field.json_schema_extra
    )


# Names, and certificates that are not of our own making.
_MADE_BY_THE_CHART = frozenset({"webhook_name", "webhook_certificate", "webhook_key"})

PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part(
            name="core",
            settings=CoreSettings,
            on=True,
            kinds=(netipallocation.DEFINITION,),
            rules=core_rbac.RULES,
            reasons=tuple(core_reasons.ALL.values()),
            series=series.of_core,
            # The policies need the taints, too: they are in policies.settledTaints. The Secret is
            # the chart's own.
            not_values=frozenset({"settled_taints", "status_key_secret"}),
            clean_up={
                "cleanUpRules": core_rbac.CLEAN_UP_RULES,
                "statusKeyRules": core_rbac.STATUS_KEY_RULES,
                "deleteCrdsRules": core_rbac.DELETE_CRDS_RULES,
            },
        ),
        Part(
            name="machine-ipam",
            settings=MachineIpamSettings,
            on=False,
            kinds=(ippool.DEFINITION, ipallocation.DEFINITION),
            rules=machine_ipam_rbac.RULES,
            reasons=machine_ipam_reasons.ALL,
            series=series.of_machine_ipam,
            # The chart makes the file.
            not_values=_MADE_BY_THE_CHART | {"release_all", "hook_config"},
            optional={
                "machines": machine_ipam_rbac.MACHINE_RULES,
                "webhook": machine_ipam_rbac.WEBHOOK_RULES,
            },
        ),
        Part(
            name="external-ip",
            settings=ExternalIpSettings,
            on=False,
            kinds=(
                ipclaimpool.DEFINITION,
                ipclaim.DEFINITION,
                ipnode.DEFINITION,
                ipallocation.DEFINITION,
            ),
            rules=external_ip_rbac.RULES,
            reasons=(*external_ip_reasons.ALL, *placement_reasons.ALL),
            series=series.of_external_ip,
            clean_up={"cleanUpRules": external_ip_rbac.CLEAN_UP_RULES},
            not_values=_without_effect(ExternalIpSettings),
        ),
        Part(
            name="endpoints",
            settings=EndpointsSettings,
            on=False,
            # Services and net-attach-defs are kinds of others.
            kinds=(),
            rules=endpoints_rbac.RULES,
            reasons=endpoints_reasons.ALL,
            series=series.of_endpoints,
            not_values=_MADE_BY_THE_CHART | {"release_all"},
            optional={
                "webhook": endpoints_rbac.WEBHOOK_RULES,
                "resurrect": nads_rbac.RESURRECT_RULES,
                "templates": nads_rbac.TEMPLATE_RULES,
            },
        ),
        Part(
            name="node-agent",
            settings=NodeAgentSettings,
            on=False,
            kinds=(ipclaim.DEFINITION,),
            rules=node_agent_rbac.RULES,
            reasons=node_agent_reasons.ALL,
            series=series.of_node_agent,
            # The DaemonSet says where it runs, and runs it in the network of the node.
            not_values=frozenset({"node_name", "network_namespace"})
            | _without_effect(NodeAgentSettings),
        ),
        Part(
            name="danm",
            settings=DanmSettings,
            on=False,
            kinds=(),
            rules=danm_rbac.RULES,
            reasons=danm_reasons.ALL,
            series=series.of_danm,
            webhook=DanmWebhookSettings,
            # The chart says where the certificate is; answers have no workers.
            not_values=frozenset({"webhook_name", "webhook_certificate", "webhook_key"}),
            optional={
                "webhook": danm_webhook_rbac.RULES,
                "demand": danm_webhook_rbac.DEMAND_RULES,
                "certificate": danm_webhook_rbac.CERTIFICATE_RULES,
            },
        ),
    )
}
"""All of them, by name."""
