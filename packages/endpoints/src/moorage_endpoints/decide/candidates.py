"""Candidates: the addresses that pods have in the networks of a Service, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from moorage_domain.families import Address, Family
from moorage_domain.lists import some_of
from moorage_domain.reasons import Reason
from moorage_endpoints import reasons
from moorage_endpoints.model import Member, Note
from moorage_endpoints.networks.status import Malformed, attached
from moorage_endpoints.projections.pods import Pod
from moorage_endpoints.projections.services import Service, ServicePort
from moorage_endpoints.projections.slices import SlicePort

_NAMED = 3  # pods named in one message


@dataclass(frozen=True, slots=True)
class Candidate:
    """One address of one pod, with the ports that the Service has there."""

    address: Address
    member: Member
    ports: tuple[SlicePort, ...]

    @property
    def pod(self) -> Pod:
        """The pod that says that it has the address."""
        return self.member.pod

    @property
    def rank(self) -> tuple[bool, bool, str, str]:
        """Of several pods with one address the highest is published: the one that lives."""
        pod = self.pod
        return (pod.ready and not pod.deleting, pod.ready, pod.created, pod.name)


@dataclass(slots=True)
class Remarks:
    """Collects why pods are no endpoints, for one message of each reason."""

    _found: dict[Reason, list[str]] = field(default_factory=dict)

    def add(self, reason: Reason, text: str) -> None:
        """One more of a reason."""
        self._found.setdefault(reason, []).append(text)

    def notes(self) -> tuple[Note, ...]:
        """One note for each reason; only the first pods are named."""
        return tuple(
            Note(reason, some_of(sorted(texts), _NAMED)) for reason, texts in self._found.items()
        )


def candidates_of(
    service: Service, members: Iterable[Member], remarks: Remarks
) -> tuple[Candidate, ...]:
    """One candidate for each address that is to be published."""
    found = [
        candidate
        for member in members
        if not member.pod.finished
        for candidate in _of_member(service, member, remarks)
    ]
    return tuple(_one_for_each_address(found, remarks))


def _of_member(service: Service, member: Member, remarks: Remarks) -> Iterator[Candidate]:
    addresses = _addresses(service, member, remarks)
    if not addresses:
        return
    ports = tuple(_ports(service, member.pod, remarks))
    if service.ports and not ports:
        return
    for address in addresses:
        yield Candidate(address, member, ports)


def _addresses(service: Service, member: Member, remarks: Remarks) -> list[Address]:
    pod = member.pod
    if pod.host_network:
        remarks.add(
            reasons.NO_ADDRESS_ON_NETWORK,
            f"{pod.name} is in the network of its node, where no other network is attached",
        )
        return []
    if member.attachments is None or member.kept:
        _say_unreadable(member, remarks)
    found = _in_networks(service, member)
    if not found and member.attachments is not None and pod.ready and not pod.deleting:
        remarks.add(reasons.NO_ADDRESS_ON_NETWORK, f"{pod.name}: {_why(service, member)}")
    return list(_wanted(service, found))


def _say_unreadable(member: Member, remarks: Remarks) -> None:
    pod = member.pod
    if isinstance(pod.attachments, Malformed):
        kept = "its last addresses are kept for now" if member.kept else "it is no endpoint"
        remarks.add(reasons.STATUS_UNREADABLE, f"{pod.name}: {pod.attachments.why}; {kept}")
    elif pod.ready and not pod.deleting:
        # A pod that is just starting has none yet.
        remarks.add(reasons.NO_ADDRESS_ON_NETWORK, f"{pod.name}: it has no network status")


def _in_networks(service: Service, member: Member) -> list[Address]:
    """Addresses in all networks of the Service, each once."""
    return list(
        dict.fromkeys(
            address
            for selection in service.wish.networks or ()
            for one in attached(member.attachments or (), selection, member.pod.namespace)
            if not one.problem
            for address in one.addresses
        )
    )


def _why(service: Service, member: Member) -> str:
    """Why a pod whose status can be read has no address."""
    for selection in service.wish.networks or ():
        for one in attached(member.attachments or (), selection, member.pod.namespace):
            if one.problem:
                return f"the entry of {selection} in its network status: {one.problem}"
    networks = ", ".join(map(str, service.wish.networks or ()))
    return f"it is not attached to {networks}"


def _wanted(service: Service, found: Iterable[Address]) -> Iterator[Address]:
    """Those of the families of the Service; of each family the first one only, if it says so."""
    seen: set[Family] = set()
    for address in found:
        if service.families and address.family not in service.families:
            continue
        if service.wish.first_only and address.family in seen:
            continue
        seen.add(address.family)
        yield address


def _ports(service: Service, pod: Pod, remarks: Remarks) -> Iterator[SlicePort]:
    for port in service.ports:
        number = _number(port, pod)
        if number is None:
            remarks.add(
                reasons.PORT_NOT_FOUND,
                f"{pod.name} has no {port.protocol} port of the name {port.target}",
            )
            continue
        yield SlicePort(port.name, port.protocol, number, port.app_protocol)


def _number(port: ServicePort, pod: Pod) -> int | None:
    if isinstance(port.target, int):
        return port.target
    same = (one for one in pod.ports if (one.name, one.protocol) == (port.target, port.protocol))
    return next((one.port for one in same), None)


def _one_for_each_address(found: Iterable[Candidate], remarks: Remarks) -> Iterator[Candidate]:
    by_address: dict[Address, list[Candidate]] = {}
    for one in found:
        by_address.setdefault(one.address, []).append(one)
    for address, several in by_address.items():
        best = max(several, key=lambda one: one.rank)
        others = sorted(one.pod.name for one in several if one is not best)
        if any(not one.pod.deleting for one in several if one is not best):
            remarks.add(
                reasons.DUPLICATE_ADDRESS,
                f"{address} belongs to {best.pod.name}, and {', '.join(others)} has it, too",
            )
        yield best
