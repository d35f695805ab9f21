"""The usual node of a test: one link with a subnet, one claim, nothing held yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from moorage_domain.families import Address, parse_address
from moorage_node_agent.actions import Action, Remember
from moorage_node_agent.decide import decide
from moorage_node_agent.link.choose import Wish
from moorage_node_agent.link.model import Link
from moorage_node_agent.model import Claim, Memory, NodeState, Observed

NOW = 1000.0
ETH0 = Link(2, "eth0", "02:00:00:00:00:01", subnets=("10.0.0.1/24", "fd00::1/64"))
LO = Link(1, "lo", arp=False, subnets=("127.0.0.1/8",))
FOUR, SIX = parse_address("10.0.0.7"), parse_address("fd00::7")
STRANGER, BEFORE = "02:00:00:00:00:66", "02:00:00:00:00:02"
T = TypeVar("T")


def claim(address: Address = FOUR, **parts: Any) -> Claim:
    return Claim(f"claim-of-{address}", "uid-1", address, **({"wish": Wish()} | parts))


def observed(*claims: Claim, **parts: Any) -> Observed:
    given: dict[str, Any] = {"now": NOW, "read_at": NOW - 100, "refreshed_at": NOW}
    given["links"] = (LO, ETH0)
    return Observed(**(given | {"claims": claims} | parts))


def held(before: Observed, memory: Memory | None = None, **parts: Any) -> Observed:
    """The same, with every claim's address on ``eth0`` for a minute."""
    since = Memory(
        NOW - 61, added_at=NOW - 60, burst_at=NOW - 60, announced=5, announced_at=NOW - 1
    )
    addresses = [one.address for one in before.claims]
    on = {"held": dict.fromkeys(addresses, (ETH0.index,))}
    return replace(before, **(on | {"memory": dict.fromkeys(addresses, memory or since)} | parts))


def actions(before: Observed) -> tuple[Action, ...]:
    return decide(before).actions


def find(before: Observed, kind: type[T]) -> T | None:
    """The one action of this kind; ``None`` = the plan has none."""
    found = [one for one in actions(before) if isinstance(one, kind)]
    assert len(found) < 2, found
    return found[0] if found else None


def does(before: Observed, *kinds: type[Action]) -> bool:
    """Whether the plan has an action of any of these kinds."""
    return any(isinstance(one, kinds) for one in actions(before))


def remembered(before: Observed) -> Remember:
    one = find(before, Remember)
    assert one is not None
    return one


def said(before: Observed) -> NodeState:
    """What is said of the only claim."""
    (state,) = remembered(before).states.values()
    return state


def memory(before: Observed) -> Memory:
    (one,) = remembered(before).memory.values()
    return one
