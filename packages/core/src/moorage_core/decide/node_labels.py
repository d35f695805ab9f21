"""Which nodes carry the labels that say an address is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import MappingProxyType

from moorage_core.actions import Action, LabelNode, Mutate, UnlabelNode
from moorage_core.model import Absent, AddressRecord, Mutation, Observed, Phase, Present
from moorage_domain.addresses import label_value
from moorage_domain.nodes import Node
from moorage_provider.protocol import MachineHolder

READY_LABEL = "ip.ready"  # the first version's; older workloads select on it
IP_LABEL = "moorage.dev/ip"
# Kubernetes' admission NodeRestriction lets no kubelet set labels under this prefix.
_PROTECTED = "moorage.node-restriction.kubernetes.io"
PROTECTED_READY_LABEL = f"{_PROTECTED}/ip.ready"
PROTECTED_IP_LABEL = f"{_PROTECTED}/ip"
READY_LABELS = (PROTECTED_READY_LABEL, READY_LABEL)
IP_LABELS = (PROTECTED_IP_LABEL, IP_LABEL)
LABELS = (*READY_LABELS, *IP_LABELS)
OWNER_ANNOTATION = "moorage.dev/owner"

MOST_AHEAD = 2
"""Nodes that are labelled before the status is written: it need not wait long for them."""
_THERE = frozenset({Phase.BOUND, Phase.HOLDING})


def label_changes(
    observed: Observed, records: tuple[AddressRecord, ...]
) -> tuple[LabelNode | UnlabelNode, ...]:
    """The label changes that make every node's labels right, removals first.

    Nodes of addresses that are unknown are left as they are, and so is the node that an address is
    still on while it is being moved: that one loses its labels when the target was found fit.
    """
    wanted: dict[str, str] = {}
    untouched: set[str] = set()
    for record in records:
        node_ref = record.node_ref
        node = observed.nodes.get(node_ref.name) if node_ref else None
        if node_ref is None or node is None or node.uid != node_ref.uid:
            continue  # never label a node that only bears the name of the one that was bound
        if node.name in observed.outranked:
            untouched.add(node.name)  # an older allocation's label is there, and stays
        elif record.phase in _THERE:
            wanted.setdefault(node.name, record.ip)
        elif record.phase is Phase.UNKNOWN:
            untouched.add(node.name)
    for record in records:
        untouched.update(_left_last(observed, record))
    unlabel = [
        UnlabelNode(node)
        for node in _labelled(observed, records)
        if node.name not in wanted and node.name not in untouched
    ]
    label = [
        LabelNode(observed.nodes[name], ip)
        for name, ip in wanted.items()
        if not _is_labelled_for(observed.nodes[name], ip, observed.allocation.uid)
    ]
    return (*unlabel, *label)


def labels_ahead(observed: Observed, actions: Sequence[Action]) -> tuple[LabelNode, ...]:
    """The labels that are written before the status, which then tells of them, too.

    Their nodes are those to which the stored records lead. They are few, and no address that has
    to move waits behind them.
    """
    if any(isinstance(one, UnlabelNode) or _moves(one) for one in actions):
        return ()
    labels = tuple(one for one in actions if isinstance(one, LabelNode))
    leads = {ref.uid for record in observed.records if (ref := record.node_ref)}
    return labels if len(labels) <= MOST_AHEAD and leads.issuperset(map(_uid, labels)) else ()


def _moves(action: Action) -> bool:
    """Whether it changes where a reserved address is."""
    return isinstance(action, Mutate) and action.mutation is not Mutation.RESTORE


def _uid(label: LabelNode) -> str:
    return label.node.uid


def _left_last(observed: Observed, record: AddressRecord) -> Iterable[str]:
    """The node that an address which is on its way has not verifiably left."""
    if record.phase in _THERE or record.phase is Phase.RELEASING:
        return ()
    cloud_state = observed.cloud_states.get(record.ip)
    if isinstance(cloud_state, Present):
        holder = cloud_state.address.holder
        # Beside the node's own address it leads nobody there: the labels say so at once.
        if not isinstance(holder, MachineHolder) or holder.misplaced:
            return ()
        name = observed.by_machine.get(holder.machine_id)
        return (name,) if name else ()
    if isinstance(cloud_state, Absent):
        return ()
    return (record.previous.name,) if record.previous else ()


def is_labelled(observed: Observed, record: AddressRecord) -> bool:
    """Whether the record's node says that this very address is there, or an older allocation's."""
    node = observed.nodes.get(record.node_ref.name) if record.node_ref else None
    if node is None or record.node_ref is None or node.uid != record.node_ref.uid:
        return False
    if node.name in observed.outranked:
        return label_ready(node)
    return _is_labelled_for(node, record.ip, observed.allocation.uid)


@lru_cache(maxsize=1024)
def labels_for(ip: str) -> MappingProxyType[str, str]:
    """The labels of a node that holds an address."""
    labels = dict.fromkeys(READY_LABELS, "true") | dict.fromkeys(IP_LABELS, label_value(ip))
    return MappingProxyType(labels)


def label_ready(node: Node) -> bool:
    """Whether the node says that it holds an address."""
    return any(node.labels.get(key) == "true" for key in READY_LABELS)


def labelled(node: Node) -> bool:
    """Whether the node has a label of ours, whatever it says."""
    return any(key in node.labels for key in LABELS)


def says_it_holds(node: Node) -> bool:
    """Whether pods that want an address may be drawn to the node, or an owner is named."""
    return label_ready(node) or bool(node.owner) or any(key in node.labels for key in IP_LABELS)


def _is_labelled_for(node: Node, ip: str, owner: str) -> bool:
    return node.owner == owner and labels_for(ip).items() <= node.labels.items()


def _labelled(observed: Observed, records: Iterable[AddressRecord]) -> list[Node]:
    """Nodes to which a record leads and that say they hold an address of this allocation.

    Of other nodes that say so falsely the labels are taken off by :mod:`moorage_core.false_labels`,
    whichever owner they name: it says at the node why.
    """
    # Of two objects of one name the one counts that has it or will.
    refs = {ref.name: ref.uid for record in records for ref in reversed(record.places)}
    named = (observed.nodes.get(name) for name in refs)
    return [
        node
        for node in named
        if node is not None
        and (
            node.owner == observed.allocation.uid
            or (
                labelled(node)
                and refs.get(node.name) == node.uid
                and not _of_others(node, observed)
            )
        )
    ]


def _of_others(node: Node, observed: Observed) -> bool:
    """Whether another allocation has the node, whose labels these are."""
    return node.name in observed.taken
