"""Targets: what is to be done for a Service, by its annotations and its selector; pure."""

from __future__ import annotations

import enum

from moorage_endpoints.modes import Mode
from moorage_endpoints.projections.services import Service


class Target(enum.Enum):
    """Where a Service is to go."""

    LEAVING = enum.auto()
    """It is being deleted, and Kubernetes serves it: nothing is written any more."""
    FROZEN = enum.auto()
    """What it asks for cannot be read: nothing is changed."""
    KEPT = enum.auto()
    """Nobody but us could serve it, and we are about to go: what it has stays as it is."""
    NONE = enum.auto()
    """It names no network: what we wrote goes."""
    UNSUPPORTED = enum.auto()
    """It has no endpoints at all."""
    SLICES = enum.auto()
    """Nobody but us writes its slices: it has no selector."""
    HANDOVER = enum.auto()
    """The same, once its selector is taken out of its spec."""
    COMPANION = enum.auto()
    LEGACY = enum.auto()
    REPORT = enum.auto()


_OF_MODES = {
    Mode.HANDOVER: Target.HANDOVER,
    Mode.COMPANION: Target.COMPANION,
    Mode.LEGACY: Target.LEGACY,
    Mode.REPORT: Target.REPORT,
}


def target_of(service: Service, default: Mode) -> Target:
    """The target of a Service; ``default`` is the mode of those that name none."""
    wish = service.wish
    if wish.problem:
        return Target.FROZEN
    if service.subject.deleting:
        is_served = wish.networks is not None and not service.selector
        return Target.SLICES if is_served else Target.LEAVING
    if wish.networks is None:
        return Target.NONE
    return _of_networks(service, default)


def released_target_of(service: Service) -> Target:
    """Where it goes before this controller goes: to Kubernetes, if it has or had a selector."""
    if service.subject.deleting:
        return Target.LEAVING
    had_selector = service.selector or service.wish.remembered is not None
    return Target.NONE if had_selector else Target.KEPT


def _of_networks(service: Service, default: Mode) -> Target:
    if service.type == "ExternalName":
        return Target.UNSUPPORTED
    if not service.selector and service.wish.remembered is None:
        return Target.SLICES
    return _OF_MODES[service.wish.mode or default]
