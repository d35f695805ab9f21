"""Names that the controller writes into objects of DANM; pure."""

from __future__ import annotations

FINALIZER = "moorage.dev/danm-reclaim"
"""On an endpoint whose addresses are being freed."""
RECLAIMED = "moorage.dev/danm-reclaimed"
"""Annotation of an endpoint: the addresses that were taken from it, and why; JSON."""
FREED = "moorage.dev/danm-freed"
"""Annotation of a network: the uids of endpoints whose addresses are free, written together with
the bits, so that nobody frees one of them twice."""
WANTED = "moorage.dev/danm-wanted"
"""Annotation of an endpoint: when the admission service asked last for its addresses."""
WANTED_SECONDS = 600.0
"""How long that counts."""
NODE_LEASES = "kube-node-lease"
"""The namespace of the Leases that kubelets renew."""
