"""What decisions about a Service rest on, and what comes of one beside actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from moorage_domain.plans import Plan
from moorage_domain.reasons import Reason
from moorage_endpoints.actions import Action
from moorage_endpoints.nads.projections import Nad
from moorage_endpoints.networks.status import Attachment
from moorage_endpoints.projections.others import EndpointsView
from moorage_endpoints.projections.pods import Pod
from moorage_endpoints.projections.services import Service
from moorage_endpoints.projections.slices import Slice
from moorage_endpoints.targets import Target


@dataclass(frozen=True, slots=True)
class Member:
    """A pod that the Service means.

    Attributes:
        attachments: of its network status, or the last ones that could be read; ``None`` = none
            are known.
        kept: its status cannot be read, and ``attachments`` are from before.
        zone: of its node; ``""`` = it has none.
    """

    pod: Pod
    attachments: tuple[Attachment, ...] | None
    kept: bool = False
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """One Service and all that concerns it.

    Attributes:
        service: ``None`` = it is gone, and slices of ours are left.
        members: in the order of their names.
        slices: all that say that they are of this Service, whoever writes them.
        taken: names of slices like ours that others have.
        endpoints: the Endpoints of its name; ``None`` = there are none.
        companions: Services that were made for this one.
        namesake: the Service that has the name of the companion, whatever it is.
        companion_stored: the companion has slices of all its families.
        networks: those that it names and that there are, by ``namespace/name``.
        rewrites: how often its Endpoints were rewritten within the last minute.
        takes: how often its selector was taken out within the last minute.
        kept_seconds: after which the first of the kept attachments counts no more.
    """

    key: str
    service: Service | None
    target: Target
    members: tuple[Member, ...] = ()
    slices: tuple[Slice, ...] = ()
    taken: frozenset[str] = frozenset()
    endpoints: EndpointsView | None = None
    companions: tuple[Service, ...] = ()
    namesake: Service | None = None
    companion_stored: bool = False
    networks: Mapping[str, Nad] = field(default_factory=dict)
    rewrites: int = 0
    takes: int = 0
    kept_seconds: float | None = None

    @property
    def ours(self) -> tuple[Slice, ...]:
        """Slices that we write."""
        return tuple(one for one in self.slices if one.ours)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a person should know; said once, by an Event."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class NotedPlan(Plan[Action]):
    """A plan with what is to be said."""

    notes: tuple[Note, ...] = ()
