"""Nodes as decisions need them: whether an address may stay on one, leave it or move to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from moorage_domain.taints import Taint, TaintClass, keys_of

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
"""Kubernetes' label of nodes that shall get no traffic from outside, whatever its value."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node, reduced to what decides about addresses.

    Attributes:
        name: the node's name.
        uid: changes when a node is deleted and registered again under its name.
        provider_id: ``spec.providerID``, ``""`` until the cloud controller has set it.
        labels: all labels.
        owner: annotation ``moorage.dev/owner``, ``""`` where absent.
        zone: availability zone from the well-known label, ``""`` = unknown.
        ready: the Ready condition is True.
        unschedulable: cordoned.
        network_unavailable: the condition NetworkUnavailable is True.
        deleting: its object is being deleted; a finalizer holds it.
        taints: all taints, in the order of the node; one key may be there twice.
        created: when it was registered, as the API server wrote it; comparable as text.
    """

    name: str
    uid: str
    provider_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    zone: str = ""
    ready: bool = True
    unschedulable: bool = False
    network_unavailable: bool = False
    deleting: bool = False
    taints: tuple[Taint, ...] = ()
    created: str = ""

    @property
    def unremarkable(self) -> bool:
        """Whether it is Ready, and nothing that is known of it but its labels speaks against it.

        Most nodes are, and thousands are looked at in one decision.
        """
        return self.ready and not (
            self.taints
            or self.unschedulable
            or self.deleting
            or self.network_unavailable
            or EXCLUDE_LABEL in self.labels
        )

    @property
    def taint_keys(self) -> tuple[str, ...]:
        """The keys of all taints, in the order of the node."""
        return tuple(taint.key for taint in self.taints)

    @property
    def leaving(self) -> str:
        """The first taint that says the node is about to vanish, ``""`` = none."""
        return "".join(keys_of(TaintClass.LEAVING, self.taints)[:1])

    @property
    def draining(self) -> str:
        """The first taint that says the node is being drained, ``""`` = none."""
        return "".join(keys_of(TaintClass.DRAINING, self.taints)[:1])

    @property
    def starting(self) -> tuple[str, ...]:
        """The taints that say something every pod needs is not there yet."""
        return keys_of(TaintClass.STARTING, self.taints)

    @property
    def excluded(self) -> bool:
        """Whether people want no traffic from outside there."""
        return EXCLUDE_LABEL in self.labels

    def matches(self, selector: Iterable[tuple[str, str]]) -> bool:
        """Whether the node has every label of an equality selector; an empty one matches all."""
        labels = self.labels
        return all(labels.get(key) == value for key, value in selector)
