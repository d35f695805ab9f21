"""The controllers of endpoints put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import cast

from moorage_domain.admission import AdmissionRequest, Allowed, Decision
from moorage_endpoints.act import Actor
from moorage_endpoints.admission import admit
from moorage_endpoints.caches import Caches
from moorage_endpoints.handing_back import HandingBack
from moorage_endpoints.kinds import ENDPOINTS, NADS, SERVICES, SLICES
from moorage_endpoints.logic import ServiceLogic
from moorage_endpoints.metrics import Gauges
from moorage_endpoints.nads.controller import Nads
from moorage_endpoints.nads.patches import released_nad
from moorage_endpoints.observe import Observer
from moorage_endpoints.projections.services import Service
from moorage_endpoints.registration import PATH
from moorage_endpoints.settings import EndpointsSettings
from moorage_endpoints.targets import Target, released_target_of, target_of
from moorage_endpoints.triggers import Triggers
from moorage_kube.client.kinds import NODES, PODS
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.release_all import ReleaseAll
from moorage_kube.manager.webhooks import serve_webhooks
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.webhook.webhook import Webhook
from moorage_kube.writes.subjects import Subjects


def setup(manager: Manager) -> None:
    """Add everything to a manager."""
    settings = cast("EndpointsSettings", manager.settings)
    if settings.release_all:
        handing_back = hand_back_services(manager, settings)
        release = ReleaseAll(manager, ((NADS, released_nad),), handing_back.is_done)
        # Only while it leads: whoever else does would put the finalizers on again.
        manager.run_while_leading("release all", release.run)
        return
    caches = add_services(manager, settings)
    nads = Nads(manager, caches.pods, caches.nads, settings)
    webhooks = [nads.webhook] if settings.webhook_nads else []
    if settings.webhook_services:
        # Where it fails, the Service is written as it is, and handed over by the controller.
        webhooks.append(Webhook(PATH, lambda asked: _admit(asked, settings), on_failure=Allowed()))
    if webhooks:
        serve_webhooks(manager, *webhooks)


def _admit(asked: AdmissionRequest, settings: EndpointsSettings) -> Decision:
    # A dry run changes nothing.
    return Allowed() if settings.dry_run else admit(asked, settings.default_mode)


def add_services(manager: Manager, settings: EndpointsSettings) -> Caches:
    """The controller of Services; returns its caches, for others to share."""
    target = partial(target_of, default=settings.default_mode)
    return _add_services(manager, settings, target)[0]


def hand_back_services(manager: Manager, settings: EndpointsSettings) -> HandingBack:
    """The same, but it gives every Service that has or had a selector back to Kubernetes."""
    return HandingBack(*_add_services(manager, settings, released_target_of))


def _add_services(
    manager: Manager, settings: EndpointsSettings, target: Callable[[Service], Target]
) -> tuple[Caches, Observer]:
    caches = Caches(time.monotonic, settings.multus_namespace, settings.allowed)
    queue = WorkQueue()
    observer = Observer(caches, target, time.monotonic)
    actor = Actor(manager.client, caches, observer)
    logic = ServiceLogic(observer, actor, manager.events)
    Triggers(caches, queue)
    manager.informer(NODES, caches.zones)
    # Where Multus is not installed, there is no such kind.
    manager.informer(NADS, caches.nads).optional = True
    manager.informer(PODS, caches.pods)
    manager.informer(SLICES, caches.slices)
    manager.informer(ENDPOINTS, caches.endpoints).optional = True
    manager.informer(SERVICES, caches.services)
    gauges = Gauges(
        caches, settings.default_mode, logic.problems, lambda: manager.election.is_leader
    )
    manager.registry.register(gauges.collector())
    subjects = Subjects(SERVICES, caches.services, has_generation=False, dry_run="")
    manager.add_controller("endpoints-services", logic, queue, subjects)
    return caches, observer
