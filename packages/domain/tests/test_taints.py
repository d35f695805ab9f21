"""Taints whose meaning is known: what they say of a node, and where that is written."""

from __future__ import annotations

import pytest

from moorage_domain.taints import KNOWN_TAINTS, Taint, TaintClass, class_of, keys_of


@pytest.mark.parametrize(
    "key",
    [
        "node.cilium.io/agent-not-ready",
        "ebs.csi.aws.com/agent-not-ready",
        "disk.csi.azure.com/agent-not-ready",
        "node.cloudprovider.kubernetes.io/uninitialized",
        "node.kubernetes.io/network-unavailable",
        "karpenter.sh/unregistered",
        "cni.istio.io/not-ready",
        "readiness.k8s.io/NetworkReady",
        "startup-taint.cluster-autoscaler.kubernetes.io/mine",
    ],
)
def test_harm_01_taints_of_a_node_that_only_starts_are_known(key: str) -> None:
    assert class_of(key) is TaintClass.STARTING


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("karpenter.sh/disrupted", TaintClass.DRAINING),
        ("karpenter.sh/disruption", TaintClass.DRAINING),
        ("ToBeDeletedByClusterAutoscaler", TaintClass.DRAINING),
        ("aws-node-termination-handler/asg-lifecycle-termination", TaintClass.DRAINING),
        ("aws-node-termination-handler/rebalance-recommendation", TaintClass.DRAINING),
        ("aws-node-termination-handler/scheduled-maintenance", TaintClass.DRAINING),
        ("aws-node-termination-handler/spot-itn", TaintClass.LEAVING),
        ("cloud.google.com/impending-node-termination", TaintClass.LEAVING),
        ("node.cloudprovider.kubernetes.io/shutdown", TaintClass.LEAVING),
        ("node.kubernetes.io/out-of-service", TaintClass.LEAVING),
        ("medik8s.io/remediation", TaintClass.LEAVING),
        ("kubernetes.azure.com/scalesetpriority", None),
        ("DeletionCandidateOfClusterAutoscaler", None),
        ("node.kubernetes.io/not-ready", None),
        ("dedicated", None),
    ],
)
def test_harm_04_scale_down_is_a_drain_and_only_what_is_imminent_is_an_emergency(
    key: str, expected: TaintClass | None
) -> None:
    assert class_of(key) is expected


def test_every_known_taint_names_who_sets_it_and_none_is_there_twice() -> None:
    assert all(one.source for one in KNOWN_TAINTS)
    for known in KNOWN_TAINTS:
        key = known.key.replace("*", "x")
        assert [one for one in KNOWN_TAINTS if one.fits(key)] == [known]


def test_keys_of_a_class_keep_their_order() -> None:
    taints = tuple(map(Taint, ("karpenter.sh/unregistered", "x", "a/agent-not-ready")))
    assert keys_of(TaintClass.STARTING, taints) == (taints[0].key, taints[2].key)


def test_a_taint_reads_as_kubectl_writes_it() -> None:
    assert str(Taint("dedicated", "edge", "NoExecute")) == "dedicated=edge:NoExecute"
    assert str(Taint("bare")) == "bare:NoSchedule"
