"""The conditions about the workload: whether it exists, and whether its pods may be moved."""

from __future__ import annotations

from moorage_core import reasons
from moorage_core.decide.shared_label import shared_label
from moorage_core.model import Observed
from moorage_domain.conditions import Condition
from moorage_domain.lists import some_of

WORKLOAD_MISSING, EVICTION_REFUSED = "WorkloadMissing", "EvictionRefused"
_SHOWN = 3  # pods named in one message


def workload_conditions(observed: Observed) -> tuple[Condition, ...]:
    """They are written always, so that one that was True is taken back."""
    return (_missing(observed), _refused(observed), shared_label(observed))


def _missing(observed: Observed) -> Condition:
    workload = observed.allocation.workload
    if workload is None:
        return Condition(WORKLOAD_MISSING, "False", "NotNamed", "spec.workloadRef is not set")
    if not observed.workload_missing:
        return Condition(WORKLOAD_MISSING, "False", "Found", f"{workload} exists")
    message = (
        f"there is no {workload}: in a drain all pods count that are of no DaemonSet. Create it, or"
        " correct spec.workloadRef"
    )
    return Condition(WORKLOAD_MISSING, "True", reasons.WORKLOAD_MISSING.name, message)


def _refused(observed: Observed) -> Condition:
    texts = [f"{key}: {why}" for key, why in sorted(observed.refused.items())]
    if not texts:
        return Condition(EVICTION_REFUSED, "False", "NotRefused", "no eviction is refused")
    message = f"pods on nodes without an address must stay: {some_of(texts, _SHOWN)}"
    return Condition(EVICTION_REFUSED, "True", reasons.EVICTION_REFUSED.name, message)
