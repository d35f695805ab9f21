"""Where the scheduler may put a pod, as far as taints and node labels decide."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from moorage_domain.label_selectors import Selector
from moorage_domain.taints import Taint

FORBIDDING = frozenset({"NoSchedule", "NoExecute"})
"""Effects that keep a pod away that does not tolerate the taint."""
DISCOURAGING = "PreferNoSchedule"
"""The effect of a taint that only makes other nodes better."""
# Kubernetes sets them for what the node's conditions and the cordon say already.
_SAID_OTHERWISE = frozenset(
    {
        "node.kubernetes.io/network-unavailable",
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/unschedulable",
    }
)


EVERY_NODE = Selector()


@dataclass(frozen=True, slots=True)
class Toleration:
    """Taints that a pod bears; an empty key or effect means every one."""

    key: str = ""
    exists: bool = False
    value: str = ""
    effect: str = ""

    def fits(self, taint: Taint) -> bool:
        """Whether the pod bears this taint."""
        if self.effect not in ("", taint.effect) or self.key not in ("", taint.key):
            return False
        return self.exists or (self.key != "" and self.value == taint.value)


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """One term of a required node affinity: all of it must hold.

    Attributes:
        labels: what the node's labels must meet.
        names: node names of which it must have one, ``None`` = any.
    """

    labels: Selector
    names: frozenset[str] | None = None

    def fits(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a node meets it."""
        return (self.names is None or name in self.names) and self.labels.fits(labels)


@dataclass(frozen=True, slots=True)
class PodPlacement:
    """What a pod template says of the nodes its pods may run on.

    Attributes:
        tolerations: the taints that they bear.
        selector: labels that the node must have.
        terms: of these one must hold, ``()`` = there is no such rule.
    """

    tolerations: tuple[Toleration, ...] = ()
    selector: Selector = EVERY_NODE
    terms: tuple[NodeTerm, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether the pods may run on any node without taints."""
        return not (self.selector.requirements or self.terms)

    def tolerates(self, taint: Taint) -> bool:
        """Whether the pods bear this taint."""
        return any(one.fits(taint) for one in self.tolerations)

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the pods may run on a node with these labels."""
        return self.selector.fits(labels) and (
            not self.terms or any(term.fits(name, labels) for term in self.terms)
        )


ANY_POD = PodPlacement()
"""The placement of a pod that nothing is known of: it tolerates nothing, and selects nothing."""


def not_tolerated(
    taints: Iterable[Taint], pods: PodPlacement, effects: Collection[str]
) -> Iterator[Taint]:
    """The taints with one of these effects that keep pods away, beyond the node's conditions."""
    return (
        taint
        for taint in taints
        if taint.effect in effects
        and taint.key not in _SAID_OTHERWISE
        and not pods.tolerates(taint)
    )
