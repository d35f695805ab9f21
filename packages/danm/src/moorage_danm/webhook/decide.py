"""What is said about a pod, or a template of pods, that wants certain addresses; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final

from moorage_danm.model.addresses import is_static
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.interfaces import Interface, bad_static
from moorage_danm.model.network import Network, NetworkRef
from moorage_danm.model.pod import Wish
from moorage_danm.webhook.holders import Holder, Standing
from moorage_danm.webhook.wording import limited
from moorage_domain.admission import Allowed, Denied
from moorage_domain.families import Address, Family

MOST_BITS: Final = 1 << 16
"""Of larger networks the bits are not read for one pod: that may take a millisecond."""

INVALID: Final = "invalid"
TEMPLATE: Final = "template"
"""Findings beside how holders stand."""

_SAID: Mapping[Standing, str] = {
    Standing.RUNNING: "in use by pod {pod} on node {node}; this one waits for it",
    Standing.ENDING: "pod {pod} on node {node} still ends; this one waits for it",
    Standing.GONE: "pod {pod} had it on node {node}, which is gone; it will be freed",
    Standing.FENCED: "pod {pod} has it on node {node}, which is fenced; it will be freed",
    Standing.UNREACHABLE: "pod {pod} has it on node {node}, which is unreachable; freed once safe",
    Standing.NOT_READY: "pod {pod} has it on node {node}, not ready but perhaps alive; not freed",
    Standing.UNKNOWN: "pod {pod} has it, on host {node} that no Node is known by; not freed",
    Standing.LEFT_OVER: "left by pod {pod} of node {node}, which is gone; it will be freed",
}


@dataclass(frozen=True, slots=True)
class Observed:
    """All that an answer rests on.

    Attributes:
        interfaces: that the annotation asks for, as far as it can be read.
        wishes: the certain addresses that they ask for.
        unreadable: why some annotation cannot be read.
        ambiguous: keys of annotations of which DANM would read any one.
        workload: that the pod belongs to.
        holders: who has which wished address.
        being_freed: wished addresses that are on their way; their bits may still be set.
        networks: those of the interfaces that there are.
        template: it is no pod, but what pods are made of; who has an address today says nothing.
        shape: what is wrong with the workload.
        namespace: that the pod is to be created in.
    """

    interfaces: tuple[Interface, ...] = ()
    wishes: tuple[Wish, ...] = ()
    unreadable: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    workload: str = ""
    holders: Mapping[Wish, tuple[Holder, ...]] = field(default_factory=dict)
    being_freed: frozenset[Wish] = frozenset()
    networks: Mapping[NetworkRef, Network] = field(default_factory=dict)
    template: bool = False
    shape: tuple[str, ...] = ()
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """What there is to say.

    Attributes:
        warnings: in full, the worst first.
        denial: the answer where enforcing; ``None``: nothing speaks against the pod for sure.
        wanted: endpoints that the controller may be asked to free: of the pod's own namespace.
        findings: for metrics.
    """

    warnings: tuple[str, ...] = ()
    denial: Denied | None = None
    wanted: tuple[Endpoint, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def allowed(self) -> Allowed:
        """The answer in all other modes."""
        return Allowed(limited(self.warnings))


NOTHING: Final = Advice()


def decide(observed: Observed, *, enforcing: bool = False) -> Advice:
    """What to say: nothing where no certain address is asked for and all can be read.

    ``enforcing``: also whether the pod may be refused.
    """
    rejected = tuple(_rejected(observed))
    holders = observed.holders
    held = tuple(
        [(wish, one, one.standing) for wish in observed.wishes for one in holders.get(wish, ())]
    )
    warnings = (
        *rejected,
        *_ambiguous(observed),
        *observed.shape,
        *map(_held, held),
        *_of_networks(observed),
    )
    return Advice(
        warnings=warnings,
        denial=_denial(observed, rejected, held) if enforcing else None,
        wanted=_unique(
            one.endpoint
            for _, one, standing in held
            if standing.may_be_freed and one.endpoint.namespace == observed.namespace
        ),
        findings=(
            *repeat(INVALID, len(rejected)),
            *repeat(TEMPLATE, len(observed.shape)),
            *[standing.value for _, _, standing in held],
        ),
    )


def _rejected(observed: Observed) -> Iterator[str]:
    """What DANM certainly refuses, whoever has which address."""
    yield from (f"DANM cannot read the annotation: {why}" for why in observed.unreadable)
    if len(observed.wishes) != sum(_static_texts(one) for one in observed.interfaces):
        yield from filter(None, map(bad_static, observed.interfaces))
    for network, address in observed.wishes:
        known = observed.networks.get(network)
        if known is not None and (outside := _outside(known, address)):
            yield f"{address} is not in {outside} of {network}; write one that is"
    wishes = observed.wishes
    if len(wishes) < 2 or len(set(wishes)) == len(wishes):  # noqa: PLR2004 - of one there are no two
        return
    for network, address in dict.fromkeys(one for one in wishes if wishes.count(one) > 1):
        yield f"{address} of {network} is asked for by two interfaces; one can have it"


def _static_texts(interface: Interface) -> int:
    return is_static(interface.ip) + is_static(interface.ip6)


def _ambiguous(observed: Observed) -> Iterator[str]:
    if observed.ambiguous:
        yield f"DANM reads only one of {' and '.join(observed.ambiguous)}: keep one"


def _outside(network: Network, address: Address) -> str:
    """The range that an address should be in, ``""`` = it is, or that is not known.

    Bits for IPv6 are kept of a part of the network only: an address beside that part is fine.
    """
    if address.family is not Family.IPV4:
        return ""
    for part in network.parts:
        if part.family is Family.IPV4 and part.index(address) is None:
            return f"{Address(part.family, part.base)}/{32 - (part.size - 1).bit_length()}"
    return ""


def _held(one: tuple[Wish, Holder, Standing]) -> str:
    wish, holder, standing = one
    said = _SAID[standing].format(pod=holder.endpoint.pod_key, node=holder.where)
    return f"{wish[1]}: {said}"


def _of_networks(observed: Observed) -> Iterator[str]:
    for network, address in observed.wishes:
        known = observed.networks.get(network)
        if known is None:
            yield f"{address}: there is no {network} yet"
            continue
        part = known.part(address.family)
        if part is None:
            continue
        if part.may_be_given(address):
            yield f"{address} is in the range from which {network} serves any pod: it may be taken"
        wish = (network, address)
        known_why = observed.template or wish in observed.being_freed or observed.holders.get(wish)
        if not known_why and part.size <= MOST_BITS and known.is_set(address):
            yield f"{address}: {network} says it is in use, and no endpoint has it"


def _denial(
    observed: Observed,
    rejected: tuple[str, ...],
    held: tuple[tuple[Wish, Holder, Standing], ...],
) -> Denied | None:
    if observed.template:
        return None  # its pods may never come, or the network may be changed first
    if rejected:
        return Denied("; ".join(rejected), 422, "Invalid")
    for (network, address), holder, standing in held:
        if standing is not Standing.RUNNING or not _is_of_another(holder, observed.workload):
            continue
        endpoint = holder.endpoint
        return Denied(
            f"{address} of {network} is in use: pod {endpoint.pod_key} runs with it on node"
            f" {holder.where} (DanmEp {endpoint.key}); delete that pod first, or ask for another"
            " address",
            409,
            "Conflict",
        )
    return None


def _is_of_another(holder: Holder, workload: str) -> bool:
    """Whether waiting is hopeless: a pod of the same workload goes as its successor comes."""
    return holder.pod is not None and not (workload and holder.pod.workload == workload)


def _unique(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple({one.uid: one for one in endpoints}.values())
