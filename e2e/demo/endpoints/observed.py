"""One observation of the pods, the Service, its slices, the net-attach-def and the Events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod; ``""``: it has no such address yet."""

    name: str
    ready: bool
    ending: bool
    default: str
    secondary: str


@dataclass(frozen=True, slots=True)
class View:
    """Ready addresses of all slices of the Service: of others, and of ours."""

    default: frozenset[str] = frozenset()
    secondary: frozenset[str] = frozenset()

    @property
    def addresses(self) -> frozenset[str]:
        """All of them: what a service proxy sends to."""
        return self.default | self.secondary


@dataclass(frozen=True, slots=True)
class Network:
    """The net-attach-def: whether it is there, is held by finalizer and mark, is being deleted."""

    there: bool = False
    held: bool = False
    leaving: bool = False

    def __str__(self) -> str:
        """In a word or two."""
        if not self.there:
            return "gone"
        return ("being deleted, " if self.leaving else "") + ("held" if self.held else "not held")


@dataclass(frozen=True, slots=True)
class Service:
    """Whether it has a selector, and one that is kept in its annotation."""

    selector: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """What was said of an object."""

    kind: str
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    """The whole state at one moment.

    Attributes:
        pods: in order of their names.
        slices: as they are stored.
        views: what the reader saw since the step began, one after the other; the last one is what
            it sees now.
        events: of the controller, the oldest first.
    """

    pods: tuple[Pod, ...]
    service: Service
    slices: View
    network: Network
    views: tuple[View, ...]
    events: tuple[Event, ...]

    @property
    def ready(self) -> tuple[Pod, ...]:
        """Pods that a Service shall lead to."""
        return tuple(pod for pod in self.pods if pod.ready and not pod.ending)

    @property
    def default(self) -> frozenset[str]:
        """Default addresses of those."""
        return frozenset(pod.default for pod in self.ready)

    @property
    def secondary(self) -> frozenset[str]:
        """Secondary addresses of those."""
        return frozenset(pod.secondary for pod in self.ready)

    @property
    def fewest(self) -> int:
        """Fewest ready addresses that the reader saw at once since the step began."""
        return min(len(view.addresses) for view in self.views)

    def reasons(self, kind: str) -> frozenset[str]:
        """Of all Events of a kind of object."""
        return frozenset(event.reason for event in self.events if event.kind == kind)

    def describe(self) -> str:
        """In a few lines, for whoever has to find out what is missing."""
        pods = "; ".join(
            f"{pod.name} {'ready' if pod.ready else 'not ready'}{' (ending)' if pod.ending else ''}"
            f" {pod.default or '-'} {pod.secondary or '-'}"
            for pod in self.pods
        )
        views = ", ".join(f"{len(one.default)}+{len(one.secondary)}" for one in self.views)
        told = [f"{one.kind} {one.reason}: {one.message}" for one in self.events]
        return (
            f"  pods: {pods or 'none'}\n  {self.service}; net-attach-def {self.network}\n"
            f"  slices of Kubernetes: {sorted(self.slices.default)},"
            f" ours: {sorted(self.slices.secondary)}\n"
            f"  default+secondary addresses that the reader saw: {views}\n  Events: {told}"
        )
