"""Nodes as decisions need them: whether an address may stay on one, leave it or move to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# A node with one of these taints is about to vanish, in 25 to 120 seconds: move at once.
LEAVING_TAINTS = frozenset(
    {
        "ToBeDeletedByClusterAutoscaler",  # cluster-autoscaler, scale down
        "aws-node-termination-handler/asg-lifecycle-termination",
        "aws-node-termination-handler/rebalance-recommendation",
        "aws-node-termination-handler/scheduled-maintenance",
        "aws-node-termination-handler/spot-itn",
        "cloud.google.com/impending-node-termination",  # GKE spot and preemptible
        "karpenter.sh/disrupted",  # Karpenter >= 1.0
        "karpenter.sh/disruption",  # Karpenter < 1.0
        "node.cloudprovider.kubernetes.io/shutdown",  # the machine is stopped
        "node.kubernetes.io/out-of-service",  # set by people: the node is lost
        "remediation.medik8s.io/quarantine",
    }
)


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
        leaving: the first taint that says the node is about to vanish, ``""`` = none.
        taints: keys of all taints, in the order of the node; one key may be there twice.
    """

    name: str
    uid: str
    provider_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    zone: str = ""
    ready: bool = True
    unschedulable: bool = False
    leaving: str = ""
    taints: tuple[str, ...] = ()

    def matches(self, selector: Iterable[tuple[str, str]]) -> bool:
        """Whether the node has every label of an equality selector; an empty one matches all."""
        labels = self.labels
        return all(labels.get(key) == value for key, value in selector)
