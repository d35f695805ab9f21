"""Every series of each controller, as it registers them: no process is started."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import fields as attributes
from typing import TypeAlias

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_core.caches import Caches
from moorage_core.metrics import CoreMetrics, Gauges, Replica, core_metrics
from moorage_core.scopes import Scopes
from moorage_core.settings import CoreSettings
from moorage_danm.caches import Caches as DanmCaches
from moorage_danm.metrics import DanmMetrics
from moorage_danm.metrics import Gauges as DanmGauges
from moorage_danm.settings import DanmSettings
from moorage_danm.webhook.metrics import AdmissionMetrics, admission_metrics
from moorage_danm.webhook.settings import DanmWebhookSettings
from moorage_endpoints.caches import Caches as EndpointsCaches
from moorage_endpoints.metrics import Gauges as EndpointsGauges
from moorage_endpoints.modes import Mode
from moorage_endpoints.nads.caches import NadCaches
from moorage_endpoints.nads.metrics import NadGauges
from moorage_endpoints.nads.model import Protection
from moorage_endpoints.nads.usage import NadUsage
from moorage_endpoints.settings import EndpointsSettings
from moorage_external_ip.caches import Caches as ExternalIpCaches
from moorage_external_ip.metrics import Gauges as ExternalIpGauges
from moorage_external_ip.placement.caches import Caches as PlacementCaches
from moorage_external_ip.placement.metrics import PlacementGauges, moves_counter
from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.manager.settings import load
from moorage_kube.telemetry.metrics import (
    ControllerMetrics,
    ProcessMetrics,
    controller_metrics,
    leader_metric,
    process_metrics,
)
from moorage_kube.webhook.metrics import WebhookMetrics, webhook_metrics
from moorage_machine_ipam.caches import Caches as IpamCaches
from moorage_machine_ipam.metrics import Gauges as IpamGauges
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_node_agent.metrics import NetworkMetrics, gauges
from moorage_node_agent.proxy import ProxyHealth
from moorage_node_agent.settings import NodeAgentSettings
from moorage_node_agent.state import AgentState
from moorage_provider.protocol import Provider

Series: TypeAlias = tuple[str, str, tuple[str, ...], str]
"""Name, type, labels and meaning.

Those of Python and the process are left out, as is the label ``cluster``.
"""


def of_core() -> list[Series]:
    """Every series of the core controller."""
    process = process_metrics(CoreSettings.prog)
    registry = process.registry
    own = core_metrics(registry, None)
    gauges = Gauges(Caches(), Scopes(_no_provider, _nobody), lambda: True, None)
    replica = Replica("", "", lambda: True, registry, None)
    collected = itertools.chain(gauges.read(), replica.read())
    standard = _standard(process, CoreSettings.prog, "core", "core-false-labels")
    return sorted((*standard, *_registered(own), *_read(collected)))


def of_machine_ipam() -> list[Series]:
    """Every series of the controller of static addresses for machines."""
    prog = MachineIpamSettings.prog
    process = process_metrics(prog)
    gauges = IpamGauges(IpamCaches({}), lambda: 0, lambda: True)
    standard = _standard(process, prog, "claims", "pools", "records", "addresses")
    return sorted((*standard, *_read(gauges.read())))


def of_external_ip() -> list[Series]:
    """Every series of the controller of external addresses."""
    prog = ExternalIpSettings.prog
    process = process_metrics(prog)
    caches = ExternalIpCaches(load(ExternalIpSettings, []))
    own = ExternalIpGauges(caches, lambda: 0, lambda: True)
    placement = PlacementGauges(PlacementCaches(caches, lambda: 0.0), lambda: True)
    names = ("services", "claims", "pools", "records", "placement", "nodes")
    controllers = tuple(f"external-ip-{name}" for name in names)
    moves = _described(moves_counter(process.registry))
    read = _read(itertools.chain(own.read(), placement.read()))
    return sorted((*_standard(process, prog, *controllers), moves, *read))


def of_endpoints() -> list[Series]:
    """Every series of the controller of Services over secondary networks."""
    prog = EndpointsSettings.prog
    process = process_metrics(prog)
    caches = EndpointsCaches(lambda: 0.0)
    own = EndpointsGauges(caches, Mode.REPORT, dict, lambda: True)
    nads = NadGauges(
        NadCaches(caches.nads, NadUsage(caches.pods), Protection.FINALIZER), lambda: True
    )
    controllers = ("endpoints-services", "endpoints-nads")
    read = _read(itertools.chain(own.read(), nads.read()))
    return sorted((*_standard(process, prog, *controllers), *read))


def of_node_agent() -> list[Series]:
    """Every series of the agent."""
    prog = NodeAgentSettings.prog
    process = process_metrics(prog)
    own = NetworkMetrics.register(process.registry)
    read = gauges(AgentState(), ProxyHealth(0, tuple)).collect()
    standard = _of_process(process, "node-agent-addresses", "node-agent-status")
    return sorted((*standard, *_registered(own), *_read(read)))


def of_danm() -> list[Series]:
    """Every series of the controller of DANM's addresses, and of its admission service."""
    prog = DanmSettings.prog
    process = process_metrics(prog)
    names = ("endpoints", "networks", "nodes", "audit")
    standard = _standard(process, prog, *(f"danm-{name}" for name in names))
    own = DanmMetrics.register(process.registry)
    gauges = DanmGauges(DanmCaches(), lambda: False, tuple, lambda: 0, lambda: True)
    asked = DanmWebhookSettings.prog
    service = process_metrics(asked)
    admission = admission_metrics(asked, service.registry)
    webhook = webhook_metrics(asked, service.registry)
    of_service = (_of_process(service), _registered(admission), _registered(webhook))
    of_controller = (standard, _registered(own), _read(gauges.read()))
    return sorted(itertools.chain(*of_controller, *of_service))


def _standard(process: ProcessMetrics, prog: str, *controllers: str) -> Iterator[Series]:
    """Those of an elected process and its controllers."""
    yield from _of_process(process, *controllers)
    yield _described(leader_metric(process.registry, prog))


def _of_process(process: ProcessMetrics, *controllers: str) -> Iterator[Series]:
    """Those of a process without an election, and its controllers."""
    yield from _registered(process)
    for name in controllers:
        yield from _registered(controller_metrics(process.registry, name))


def _registered(
    holder: ProcessMetrics
    | ControllerMetrics
    | CoreMetrics
    | NetworkMetrics
    | DanmMetrics
    | AdmissionMetrics
    | WebhookMetrics,
) -> Iterator[Series]:
    for attribute in attributes(holder):
        one = getattr(holder, attribute.name)
        if isinstance(one, MetricWrapperBase):
            yield _described(one)


def _described(one: MetricWrapperBase) -> Series:
    (described,) = one.describe()
    ending = "_total" if described.type == "counter" else ""
    name = described.name + ending
    return name, described.type, tuple(one._labelnames), described.documentation


def _read(collected: Iterable[Metric]) -> Iterator[Series]:
    for one in collected:
        if isinstance(one, GaugeMetricFamily):
            yield one.name, one.type, tuple(one._labelnames), one.documentation


def _no_provider(name: str, region: str) -> Provider:
    raise LookupError(f"no cloud is needed to list the series: {name} {region}")


def _nobody(_: Iterable[str]) -> None:
    """Nothing is read, so nothing changes."""
