"""What the administrator lets allocations ask for; an object only chooses inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from moorage_core.model import Allocation, ForeignPolicy
from moorage_core.words import first_of
from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import parse_address
from moorage_domain.label_selectors import Selector
from moorage_domain.ranges import AddressRange
from moorage_domain.scheduling import EVERY_NODE

_ORDER = tuple(ForeignPolicy)
"""Each allows what those before it allow, and more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that no allocation may go beyond; an empty list allows everything.

    Attributes:
        settled_taints: keys of taints that may be taken off nodes; empty: none may.
        foreign_policy: the most that ``spec.foreignPolicy`` may ask for.
        providers: clouds that may be called.
        regions: regions that may be called.
        addresses: ranges of the addresses that may be touched.
        nodes: what nodes must meet to get an address.
    """

    settled_taints: Sequence[str] = ()
    foreign_policy: ForeignPolicy = ForeignPolicy.NEVER
    providers: Sequence[str] = ()
    regions: Sequence[str] = ()
    addresses: tuple[AddressRange, ...] = ()
    nodes: Selector = EVERY_NODE

    def applied_to(self, allocation: Allocation) -> Allocation:
        """The allocation as it may be carried out; ``problem`` says what it may not ask for.

        What is not allowed is taken out of it, too: nobody has to look at ``problem`` first.
        """
        taint = allocation.settled_taint
        return replace(
            allocation,
            problem=allocation.problem or self._problem(allocation),
            foreign=min(allocation.foreign, self.foreign_policy, key=_ORDER.index),
            settled_taint=taint if taint in self.settled_taints else "",
            allowed_nodes=self.nodes,
        )

    def why_not_cloud(self, provider: str, region: str) -> str:
        """Why a cloud may not be called there, for people; ``""`` = it may."""
        if self.providers and provider not in self.providers:
            return _refusal("spec.cloud.provider", provider, "--allow-providers", self.providers)
        if self.regions and region not in self.regions:
            return _refusal("spec.cloud.region", region, "--allow-regions", self.regions)
        return ""

    def why_not_address(self, ip: str) -> str:
        """Why an address may not be touched, for people; ``""`` = it may."""
        if not self.addresses:
            return ""
        if any(_is_in(ip, one) for one in self.addresses):
            return ""
        allowed = [str(one) for one in self.addresses]
        return _refusal("spec.reservedIPs", ip, "--allow-addresses", allowed)

    def _problem(self, allocation: Allocation) -> str:
        """The first thing that an allocation may not ask for, for people; ``""`` = there is none.

        An address that is not allowed is no such thing: the others are still served.
        """
        return (
            self.why_not_cloud(allocation.provider, allocation.region)
            or self._why_not_foreign(allocation.foreign)
            or self._why_not_taint(allocation.settled_taint)
            or self._why_not_nodes(allocation.selector)
        )

    def _why_not_foreign(self, asked: ForeignPolicy) -> str:
        if _ORDER.index(asked) <= _ORDER.index(self.foreign_policy):
            return ""
        upto = _ORDER[: _ORDER.index(self.foreign_policy) + 1]
        return _refusal("spec.foreignPolicy", asked, "--allow-foreign-policy", upto)

    def _why_not_taint(self, key: str) -> str:
        if not key or key in self.settled_taints:
            return ""
        return _refusal("spec.settledTaint", key, "--settled-taints", self.settled_taints)

    def _why_not_nodes(self, selector: Iterable[tuple[str, str]]) -> str:
        """A pool in which no node can ever be, since another value of a label is asked for."""
        labels = dict(selector)
        for one in self.nodes.requirements:
            if one.key in labels and not one.fits(labels):
                asked = f"{one.key}={labels[one.key]}"
                return _refusal("spec.nodeSelector", asked, "--allow-nodes", [str(one)])
        return ""


def _is_in(ip: str, allowed: AddressRange) -> bool:
    try:
        address = parse_address(ip)
    except InvalidAddress:  # somebody wrote it into the status
        return False
    same = address.family is allowed.family
    return same and allowed.first <= address.number <= allowed.last


def _refusal(field: str, value: str, flag: str, allowed: Sequence[str]) -> str:
    """Names the field, its value and the way out."""
    asked = f"asks for {value}" if value else "is empty"
    listed = f"only {first_of(allowed)}" if allowed else "none"
    return (
        f"{field} {asked}, and the administrator allows {listed} ({flag}): change the field, or"
        " have that setting changed"
    )
