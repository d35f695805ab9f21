"""Names in Compute Engine: of instances, of users of an address, of operations."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The API's own patterns; a project may be in an organisation's domain.
_DOMAIN = (
    r"(?=[-a-z0-9.]{1,255}:)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)+"
)
_PROJECT = rf"(?P<project>(?:{_DOMAIN}:)?[a-z0-9](?:[-a-z0-9]{{0,61}}[a-z0-9])?)"
_NAME = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
_MACHINE = re.compile(rf"{_PROJECT}/(?P<zone>{_NAME})/(?P<name>{_NAME})")
_OPERATION = re.compile(rf"{_PROJECT}/(?P<zone>{_NAME})/(?P<name>{_NAME}|[1-9][0-9]{{0,19}})")
_SCHEME = "gce://"


@dataclass(frozen=True, slots=True)
class InZone:
    """An instance or an operation.

    Attributes:
        project: the id of the project.
        zone: such as ``europe-west1-b``.
        name: its name; for an instance also its numeric id, which is never reused.
    """

    project: str
    zone: str
    name: str

    @property
    def region(self) -> str:
        """The region of the zone."""
        return self.zone.rpartition("-")[0]


def machine_id(provider_id: str) -> str | None:
    """The instance of a node's ``spec.providerID``; ``None``: not one of Compute Engine."""
    if not provider_id.startswith(_SCHEME):
        return None
    text = provider_id.removeprefix(_SCHEME)
    return text if _MACHINE.fullmatch(text) else None


def instance(machine_id: str) -> InZone | None:
    """An instance by ``machine_id``; ``None``: not a valid instance id."""
    return _in_zone(_MACHINE.fullmatch(machine_id))


def operation(handle: str) -> InZone | None:
    """An operation by its handle; ``None``: not a valid handle."""
    return _in_zone(_OPERATION.fullmatch(handle))


def path(link: str) -> str:
    """The part of a resource's link after the name of the service."""
    return link.partition("/projects/")[2] or link


def machine_id_of(link: str) -> str | None:
    """The instance that a link names; ``None``: it names something else."""
    parts = path(link).split("/")
    match parts:
        case [project, "zones", zone, "instances", name]:
            return f"{project}/{zone}/{name}"
        case _:
            return None


def _in_zone(match: re.Match[str] | None) -> InZone | None:
    return InZone(match["project"], match["zone"], match["name"]) if match else None
