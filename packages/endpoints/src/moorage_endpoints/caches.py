"""Caches: what is kept of all objects, with an index for every question that is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from moorage_domain.label_selectors import Selector
from moorage_domain.ranges import AddressRange
from moorage_endpoints import names
from moorage_endpoints.nads.names import MULTUS_NAMESPACE
from moorage_endpoints.nads.projections import Nad, nad_of
from moorage_endpoints.networks.status import Attachment, Malformed, within
from moorage_endpoints.projections.others import (
    EndpointsView,
    endpoints_of,
    zone_of,
)
from moorage_endpoints.projections.pods import Pod, pod_of
from moorage_endpoints.projections.services import Service, service_of
from moorage_endpoints.projections.slices import Slice, slice_of
from moorage_kube.cache.store import Change, Index, Store

KEPT_SECONDS = 30.0
"""How long the last attachments of a pod count whose network status cannot be read any more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The last attachments of a pod that could be read; ``until`` is a time of ``monotonic``."""

    uid: str
    attachments: tuple[Attachment, ...]
    until: float


class Caches:
    """All stores and indexes."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        multus_namespace: str = MULTUS_NAMESPACE,
        allowed: Collection[AddressRange] = (),
    ) -> None:
        """``monotonic`` is a clock that nobody can set; the others are as in the settings."""
        self._monotonic = monotonic
        self.services: Store[Service] = Store(service_of)
        self.pods: Store[Pod] = Store(partial(_pod_of, multus_namespace, tuple(allowed)))
        self.slices: Store[Slice] = Store(slice_of)
        self.endpoints: Store[EndpointsView] = Store(endpoints_of)
        self.zones: Store[str] = Store(zone_of)
        self.nads: Store[Nad] = Store(nad_of)
        self.kept: dict[str, Kept] = {}
        """By key of the pod."""
        self.pods.subscribe(self._pod_changed)
        self.pods_by_namespace = Index(self.pods, lambda pod: (pod.namespace,))
        self.pods_by_label = Index(self.pods, _labels)
        self.pods_by_node = Index(self.pods, lambda pod: (pod.node,) if pod.node else ())
        self.services_by_label = Index(self.services, _selected)
        self.services_by_network = Index(self.services, _networks)
        self.companions = Index(self.services, _companion)
        """Of each Service, by namespace and name, those that say that they were made for it."""
        self.slices_by_service = Index(self.slices, lambda one: (one.service_key,))
        self.slices_by_shape = Index(
            self.slices, lambda one: ((one.namespace, names.shaped_for(one.name)),)
        )

    def pods_of(self, service: Service) -> tuple[Pod, ...]:
        """The pods that a Service means, in the order of their names."""
        selector = service.pods
        if selector is None:
            return ()
        found = (self.pods.get(key) for key in self._candidates(service.namespace, selector))
        pods = [pod for pod in found if pod is not None and selector.fits(pod.labels)]
        return tuple(sorted(pods, key=lambda pod: pod.name))

    def _candidates(self, namespace: str, selector: Selector) -> Iterable[str]:
        pairs = selector.pairs
        if not pairs:
            return self.pods_by_namespace.get(namespace)
        return frozenset().union(*(self.pods_by_label.get((namespace, *one)) for one in pairs))

    def services_of(self, pod: Pod) -> Iterator[str]:
        """Keys of the Services that mean a pod."""
        places: list[Hashable] = [(pod.namespace, *one) for one in pod.labels.items()]
        for place in (*places, (pod.namespace,)):
            for key in self.services_by_label.get(place):
                service = self.services.get(key)
                if service is not None and service.pods and service.pods.fits(pod.labels):
                    yield key

    def slices_of(self, key: str) -> tuple[Slice, ...]:
        """All slices of a Service, in the order of their names."""
        found = (self.slices.get(one) for one in sorted(self.slices_by_service.get(key)))
        return tuple(one for one in found if one is not None)

    def companions_of(self, service: Service) -> tuple[Service, ...]:
        """Services that were made for this one, in the order of their names."""
        place = (service.namespace, service.subject.name)
        found = (self.services.get(one) for one in sorted(self.companions.get(place)))
        uid = service.subject.uid
        return tuple(one for one in found if one is not None and one.owner == uid)

    def _pod_changed(self, change: Change[Pod]) -> None:
        """Remember what a pod had when its network status becomes unreadable."""
        old, new = change.old, change.new
        if new is None or not isinstance(new.attachments, Malformed):
            self.kept.pop(change.key, None)
        elif old is not None and old.uid == new.uid and isinstance(old.attachments, tuple):
            until = self._monotonic() + KEPT_SECONDS
            self.kept[change.key] = Kept(new.uid, old.attachments, until)


def _pod_of(
    multus_namespace: str, allowed: tuple[AddressRange, ...], raw: Mapping[str, Any]
) -> Pod:
    """From a Pod; of its addresses in networks only the allowed ones are kept."""
    pod = pod_of(raw, multus_namespace)
    return replace(pod, attachments=within(pod.attachments, allowed)) if allowed else pod


def _labels(pod: Pod) -> Iterator[Hashable]:
    for pair in pod.labels.items():
        yield (pod.namespace, *pair)


def _selected(service: Service) -> Iterator[Hashable]:
    """Where a pod finds the Service: a pair of its labels, or else its namespace alone."""
    if not service.concerns_us or service.pods is None:
        return
    for pair in service.pods.pairs:
        yield (service.namespace, *pair)
    if not service.pods.pairs:
        yield (service.namespace,)


def _networks(service: Service) -> Iterator[Hashable]:
    for one in service.wish.networks or ():
        yield one.network


def _companion(service: Service) -> Iterator[Hashable]:
    if service.wish.companion_of:
        yield (service.namespace, service.wish.companion_of)
