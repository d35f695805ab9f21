"""Taints, and what those that are known say of a node: starting, draining or about to vanish."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class TaintClass(StrEnum):
    """What a known taint says of its node, and so what becomes of an address there."""

    STARTING = "starting"
    """Something that every pod needs is not there yet: no target, but what is there stays."""
    DRAINING = "draining"
    """The node is emptied with patience, as after a cordon: an address waits for its pods."""
    LEAVING = "leaving"
    """The machine is gone or about to go, in 25 to 120 seconds: an address leaves at once."""


@dataclass(frozen=True, slots=True)
class Taint:
    """One taint of a node; an empty value and effect are as good as none."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        return f"{self.key}{value}:{self.effect}"


@dataclass(frozen=True, slots=True)
class KnownTaint:
    """A taint whose meaning is known.

    Attributes:
        key: its key; with ``*`` at its begin or end, all that end or begin alike.
        taint_class: what it says.
        source: who sets it, and where that is written.
    """

    key: str
    taint_class: TaintClass
    source: str

    def fits(self, key: str) -> bool:
        """Whether a taint with this key is meant."""
        if self.key.startswith("*"):
            return key.endswith(self.key[1:])
        if self.key.endswith("*"):
            return key.startswith(self.key[:-1])
        return key == self.key


def _known(taint_class: TaintClass, keys: dict[str, str]) -> Iterator[KnownTaint]:
    return (KnownTaint(key, taint_class, source) for key, source in keys.items())


_NTH = "aws-node-termination-handler, `pkg/node/node.go`"

KNOWN_TAINTS: tuple[KnownTaint, ...] = (
    *_known(
        TaintClass.STARTING,
        {
            "node.cloudprovider.kubernetes.io/uninitialized": "kubelet with an external cloud"
            " provider, until the cloud controller manager has seen the node",
            "node.kubernetes.io/network-unavailable": "Kubernetes, from the condition"
            " NetworkUnavailable: GKE, Calico, Flannel and others",
            "*/agent-not-ready": "Cilium (`node.cilium.io`), the CSI drivers of AWS (`ebs`, `efs`,"
            " `fsx`, `s3.csi.aws.com`) and Azure (`disk.csi.azure.com` and others)",
            "cni.istio.io/not-ready": "Istio's CNI plug-in, untaint controller",
            "k8s.ovn.org/network-unavailable": "OVN-Kubernetes",
            "node.cluster.x-k8s.io/uninitialized": "Cluster API, until it has labelled the node",
            "node.gardener.cloud/critical-components-not-ready": "Gardener",
            "karpenter.sh/unregistered": "Karpenter, until it has registered the node",
            "readiness.k8s.io/*": "node-readiness-controller, NodeReadinessRule",
            "startup-taint.cluster-autoscaler.kubernetes.io/*": "cluster-autoscaler's prefix for"
            " what is there only while a node starts",
            "ignore-taint.cluster-autoscaler.kubernetes.io/*": "the same, before cluster-autoscaler"
            " 1.29",
        },
    ),
    *_known(
        TaintClass.DRAINING,
        {
            "karpenter.sh/disrupted": "Karpenter 1.0 and later; set before the replacement is"
            " ready, and PodDisruptionBudgets may hold the node for hours (karpenter.sh,"
            " Disruption)",
            "karpenter.sh/disruption": "Karpenter before 1.0",
            "ToBeDeletedByClusterAutoscaler": "cluster-autoscaler; it waits for the pods to end"
            " (FAQ, graceful termination)",
            "aws-node-termination-handler/asg-lifecycle-termination": _NTH,
            "aws-node-termination-handler/rebalance-recommendation": _NTH,
            "aws-node-termination-handler/scheduled-maintenance": _NTH,
            "remediator.kubernetes.azure.com/unschedulable": "AKS, node auto-drain",
            "remediator.aks.microsoft.com/unschedulable": "AKS, node auto-drain, older clusters",
        },
    ),
    *_known(
        TaintClass.LEAVING,
        {
            "aws-node-termination-handler/spot-itn": f"{_NTH}; a spot instance is taken back",
            "cloud.google.com/impending-node-termination": "GKE; a spot or preemptible machine is"
            " taken back",
            "node.cloudprovider.kubernetes.io/shutdown": "cloud controller manager; the machine is"
            " stopped",
            "node.kubernetes.io/out-of-service": "people; the node is lost (Kubernetes,"
            " non-graceful node shutdown)",
            "medik8s.io/remediation": "medik8s; the node is fenced",
            "remediation.medik8s.io/quarantine": "medik8s; the node is fenced",
        },
    ),
)  # fmt: skip


@lru_cache(maxsize=4096)
def class_of(key: str) -> TaintClass | None:
    """What a taint with this key says of its node; ``None`` = nothing that is known."""
    return next((one.taint_class for one in KNOWN_TAINTS if one.fits(key)), None)


def keys_of(taint_class: TaintClass, taints: Collection[Taint]) -> tuple[str, ...]:
    """The keys of the taints of a class, in their order."""
    if not taints:
        return ()
    return tuple(taint.key for taint in taints if class_of(taint.key) is taint_class)
