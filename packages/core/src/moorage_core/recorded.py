"""Entries of ``status.addresses`` as they are read: strictly, and believed as far as they can be.

An entry with our seal says what this controller wrote, now or before it was restarted. Any other
one was written by somebody else, or by a version without seals. It counts for no more than the spec
says anyway: no change under way, nobody who is owed an address, no address that is not listed. The
node that it names counts only as a Node that there is, or that this process saw go; see
:func:`known_places`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from moorage_api.netipallocation import MAX_RECORDS, AddressStatus, OwedNode
from moorage_core import reasons
from moorage_core.json_text import KEPT_BYTES, json_text
from moorage_core.model import AddressRecord, NodeReference, Phase
from moorage_core.seal import Seal
from moorage_domain.bounded_cache import BoundedCache
from moorage_domain.nodes import Node

_LAST_SECONDS = 7_258_118_400.0
"""The year 2200: no date of ours lies behind it, and what is added to one stays a date."""
_RESTS = frozenset({Phase.BOUND, Phase.HOLDING, Phase.UNKNOWN})
_SHOWN = 100
"""Characters of what somebody wrote that are repeated in a message."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a status says of addresses.

    Attributes:
        records: one for each address, as far as it is believed.
        proven: the addresses whose records this controller wrote itself.
        doubts: what is not believed, in plain words.
    """

    records: tuple[AddressRecord, ...] = ()
    proven: frozenset[str] = frozenset()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the entries of one allocation.

    Attributes:
        uid: its uid.
        listed: the addresses of its spec.
        seal: knows what we wrote; ``None`` = that cannot be known.
        before: what its status said before.
    """

    uid: str
    listed: Collection[str]
    seal: Seal | None
    before: Recorded = Recorded()

    def read(self, entries: object) -> Recorded:
        """What a list of entries says; the first one of each address counts."""
        found: dict[str, AddressRecord] = {}
        proven: set[str] = set()
        doubts: list[str] = []
        entries = entries if isinstance(entries, list) else []
        if len(entries) > MAX_RECORDS:
            doubts.append(f"of {len(entries)} entries of status.addresses {MAX_RECORDS} are read")
        for entry in entries[:MAX_RECORDS]:
            record = _record_of(entry)
            if record is None:
                doubts.append("an entry of status.addresses cannot be read")
            elif record.ip not in found:
                ours = self.seal is not None and self.seal.is_on(self.uid, entry)
                known = record if ours else self._known(record.ip)
                if known is not None:
                    proven.add(record.ip)
                doubt = "" if ours else self._doubt(record, known)
                doubts += [doubt] if doubt else []
                if known is not None or record.ip in self.listed:
                    found[record.ip] = known or _as_far_as_listed(record)
        return Recorded(tuple(found.values()), frozenset(proven), tuple(doubts))

    def _known(self, ip: str) -> AddressRecord | None:
        """What we wrote of an address, as this process last saw it, ``None`` = nothing."""
        if ip not in self.before.proven:
            return None
        return next(record for record in self.before.records if record.ip == ip)

    def _doubt(self, record: AddressRecord, known: AddressRecord | None) -> str:
        """What of an entry that we did not write is not believed, for people; ``""`` = nothing."""
        if known is not None:
            return f"{record.ip}: its entry was changed by somebody else; what we wrote counts"
        if record.ip not in self.listed:
            return (
                f"{cut(record.ip)} is in status.addresses and not in spec.reservedIPs: it is left"
                " where it is; to have it released, list it, and remove it again then"
            )
        said = [
            name
            for name, value in (
                ("operation", record.operation),
                ("handle", record.handle),
                ("previousNode", record.previous),
                ("owed", record.restore_pending),
            )
            if value
        ]
        return f"{record.ip}: what its entry says of {', '.join(said)}" if said else ""


def known_places(
    recorded: Recorded, nodes: Mapping[str, Node], gone: Mapping[str, str]
) -> Recorded:
    """The same without places of unproven records that are no Node, and were none.

    ``gone``: ``spec.providerID`` by uid, of Nodes that this process saw go.
    """
    strange = {
        record.ip: record.node_ref
        for record in recorded.records
        if record.node_ref
        and record.ip not in recorded.proven
        and not _is_known(record.node_ref, nodes, gone)
    }
    if not strange:
        return recorded
    doubts = (
        f"{ip}: that it is on machine {cut(ref.provider_id)} (node {cut(ref.name)}), which is no"
        " node of this cluster"
        for ip, ref in strange.items()
    )
    records = (
        replace(record, phase=Phase.PENDING, node_ref=None) if record.ip in strange else record
        for record in recorded.records
    )
    return replace(recorded, records=tuple(records), doubts=(*recorded.doubts, *doubts))


def _is_known(ref: NodeReference, nodes: Mapping[str, Node], gone: Mapping[str, str]) -> bool:
    node = nodes.get(ref.name)
    there = node is not None and (node.uid, node.provider_id) == (ref.uid, ref.provider_id)
    return there or (ref.provider_id != "" and gone.get(ref.uid) == ref.provider_id)


def _as_far_as_listed(record: AddressRecord) -> AddressRecord:
    """What counts of a record of a listed address that we did not write."""
    return AddressRecord(
        record.ip,
        phase=record.phase if record.phase in _RESTS else Phase.PENDING,
        reason=record.reason if record.reason in reasons.ALL else "",
        message=record.message,
        node_ref=record.node_ref,
        observed_at=record.observed_at,
        since=record.since,
    )


def cut(text: str) -> str:
    """What somebody wrote, short enough to be repeated."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _record_of(entry: object) -> AddressRecord | None:
    """The record that an entry is; ``None`` = it is none."""
    try:
        text = json_text(entry)
    except TypeError:  # a number that no integer of ours holds
        return None
    return record_from_json(text)


def _parsed_record(text: bytes) -> AddressRecord | None:
    try:
        return record_from_wire(AddressStatus.model_validate_json(text))
    except ValidationError:
        # Written by somebody else: what the cloud shows counts, and is recorded again.
        return None


record_from_json = BoundedCache(_parsed_record, KEPT_BYTES, len)
"""The record that an entry's JSON is; ``None`` = it is none."""


def record_from_wire(entry: AddressStatus) -> AddressRecord:
    """A record from its entry in the status."""
    known = entry.phase in Phase.__members__.values()
    return AddressRecord(
        ip=entry.ip,
        phase=Phase(entry.phase) if known else Phase.PENDING,
        reason=entry.reason,
        message=entry.message,
        node_ref=_node_ref(entry.node_name, entry.node_uid, entry.provider_id),
        previous=_node_ref(
            entry.previous_node, entry.previous_node_uid, entry.previous_provider_id
        ),
        cloud_ref=entry.cloud_ref or "",
        operation=entry.operation or "",
        handle=entry.handle or "",
        restore_pending=tuple(_owed(node, entry) for node in entry.owed or ()),
        attempts=entry.attempts or 0,
        last_failure=entry.last_failure or "",
        next_attempt=seconds_of(entry.next_attempt),
        observed_at=seconds_of(entry.observed_at),
        since=seconds_of(entry.since),
        held_since=seconds_of(entry.held_since),
        selected=bool(entry.selected),
    )


def _node_ref(name: str | None, uid: str | None, provider_id: str | None) -> NodeReference | None:
    return NodeReference(name, uid or "", provider_id or "") if name else None


def _owed(node: OwedNode, entry: AddressStatus) -> NodeReference:
    """Of the node that has the address it says the name only."""
    short = node.node_uid is None and node.provider_id is None
    said = entry if short and node.node_name == entry.node_name else node
    return NodeReference(node.node_name, said.node_uid or "", said.provider_id or "")


def seconds_of(text: str | None) -> float:
    """Epoch seconds of a time in RFC 3339; 0 = none, or one that no clock shows."""
    if not text:
        return 0.0
    try:
        seconds = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
    return seconds if 0.0 <= seconds <= _LAST_SECONDS else 0.0
