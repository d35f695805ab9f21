"""What a pool gives away, and how; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from moorage_domain.allocator import Strategy
from moorage_domain.subnets import UsableSet
from moorage_ipam.records import PoolRef


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What a pool gives away, and how.

    Attributes:
        network: pools of one network never give one address twice.
        usable: what anybody can get.
        reuse_seconds: how long a released address is given to nobody.
        reuse_early: when nothing else is left, the address that was released first is given.
        kept: addresses by the name of the only owner that gets them.
    """

    ref: PoolRef
    network: str
    usable: UsableSet
    strategy: Strategy = Strategy.LOWEST
    reuse_seconds: float = 300.0
    reuse_early: bool = False
    kept: Mapping[str, int] = field(default_factory=dict)
