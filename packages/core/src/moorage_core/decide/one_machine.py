"""The condition of several Node objects that name one machine: at most one of them is it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from moorage_core import reasons
from moorage_core.decide.targets import in_pool
from moorage_core.model import Observed
from moorage_domain.conditions import Condition

DUPLICATE = "DuplicateProviderID"
_SHOWN = 3  # machines named in one message


def duplicate_condition(observed: Observed) -> Condition:
    """It is True where such a node is of the pool, or has an address of the allocation."""
    texts = [
        f"nodes {' and '.join(names)} have one providerID ({machine_id})"
        for machine_id, names in _duplicates(observed)
    ]
    if not texts:
        return Condition(DUPLICATE, "False", "NoDuplicate", "no two nodes have one providerID")
    more = f"; and {len(texts) - _SHOWN} more machines" if len(texts) > _SHOWN else ""
    message = (
        f"{'; '.join(texts[:_SHOWN])}{more}: no address comes to them, and one that is there stays"
        " with the node that had it first. Delete the Node object that is not this machine"
    )
    return Condition(DUPLICATE, "True", reasons.DUPLICATE_PROVIDER_ID.name, message)


def _duplicates(observed: Observed) -> Iterator[tuple[str, Sequence[str]]]:
    """Those that concern the allocation: machine ids, with the names of their nodes."""
    placed = {record.node_ref.name for record in observed.records if record.node_ref}
    for machine_id, names in sorted(observed.shared_machines.items()):
        nodes = [node for name in names if (node := observed.nodes.get(name))]
        ours = any(n.name in placed or in_pool(n, observed.allocation) for n in nodes)
        if ours and len(nodes) > 1:
            yield machine_id, names
