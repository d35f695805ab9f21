"""Names that net-attach-defs and their pods have in common with us; pure."""

from __future__ import annotations

FINALIZER = "moorage.dev/in-use"
"""The API server keeps a net-attach-def with it until no pod uses it any more."""
MARKER = "moorage.dev/in-use"
"""Annotation: pods that used the net-attach-def when it came into use; the policy reads it."""
ALLOW_DELETE = "moorage.dev/allow-delete"
"""Annotation: with the value ``true`` it may be deleted although pods use it."""
PROTECT = "moorage.dev/protect"
"""Label: with the value ``false`` the net-attach-def is left alone."""

NETWORKS = "k8s.v1.cni.cncf.io/networks"
"""Annotation of pods: the networks that it is to be attached to."""
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
"""Annotation of pods: the net-attach-def that stands for the cluster's network."""

CLUSTER_CONTROLLERS = (
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    # All controllers of the controller-manager, where each has no account of its own.
    "system:kube-controller-manager",
)
"""Who deletes what nobody asked for by name: refusing it would hang them up."""

MULTUS_NAMESPACE = "kube-system"
"""Where Multus usually is."""
