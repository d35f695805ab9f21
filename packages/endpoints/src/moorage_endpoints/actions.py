"""What may be done for a Service; every action may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from moorage_endpoints.projections.others import EndpointsView
from moorage_endpoints.projections.services import Service
from moorage_endpoints.projections.slices import Endpoint, Slice, SlicePort


@dataclass(frozen=True, slots=True)
class WriteSlice:
    """Make a slice, or replace one as it was seen.

    Attributes:
        known: the slice as it is stored; ``None`` = it is made.
    """

    name: str
    family: str
    ports: tuple[SlicePort, ...]
    endpoints: tuple[Endpoint, ...]
    labels: Mapping[str, str]
    known: Slice | None = None

    def __str__(self) -> str:
        verb = "replace" if self.known else "make"
        return f"{verb} slice {self.name} with {len(self.endpoints)} endpoints"


@dataclass(frozen=True, slots=True)
class DeleteSlice:
    """Delete a slice, whoever wrote it."""

    slice: Slice

    def __str__(self) -> str:
        return f"delete slice {self.slice.name} of {self.slice.manager}"


@dataclass(frozen=True, slots=True)
class TakeSelector:
    """Take the selector out of the spec, and remember it in an annotation."""

    def __str__(self) -> str:
        return "keep its selector in an annotation"


@dataclass(frozen=True, slots=True)
class GiveSelectorBack:
    """Put the remembered selector back into the spec, unless there is one."""

    def __str__(self) -> str:
        return "give it its selector back"


@dataclass(frozen=True, slots=True)
class WriteCompanion:
    """Make the companion, or mend it.

    Attributes:
        known: the companion as it is stored; ``None`` = it is made.
    """

    name: str
    annotations: Mapping[str, str]
    known: Service | None = None

    def __str__(self) -> str:
        return f"{'mend' if self.known else 'make'} Service {self.name}"


@dataclass(frozen=True, slots=True)
class DeleteCompanion:
    """Delete a companion; its slices go with it."""

    companion: Service

    def __str__(self) -> str:
        return f"delete Service {self.companion.subject.name}"


@dataclass(frozen=True, slots=True)
class WriteEndpoints:
    """Rewrite Endpoints, as the first version did."""

    known: EndpointsView
    subsets: tuple[Mapping[str, Any], ...]
    truncated: bool = False

    def __str__(self) -> str:
        return f"rewrite Endpoints {self.known.name}"


@dataclass(frozen=True, slots=True)
class DeleteEndpoints:
    """Delete Endpoints that nobody writes any more, or have Kubernetes write them again."""

    known: EndpointsView

    def __str__(self) -> str:
        return f"delete Endpoints {self.known.name}"


Action: TypeAlias = (
    "WriteSlice | DeleteSlice | TakeSelector | GiveSelectorBack | WriteCompanion | DeleteCompanion"
    " | WriteEndpoints | DeleteEndpoints"
)
