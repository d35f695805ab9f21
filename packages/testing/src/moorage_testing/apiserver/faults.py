"""Faults: what goes wrong with the next requests of a verb, scripted by a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from moorage_testing.apiserver.messages import Asked


@dataclass
class Fault:
    """What the next requests of a verb get.

    Attributes:
        verb: a method, ``WATCH``, or ``""`` for any.
        status: of the answer that comes instead of the work; 0 = the request is answered as usual,
            after the delay.
        body: of that answer; bytes are sent as they are.
        drop: break the connection ``"before"`` the work, or ``"after"`` it, its answer being lost.
        hang: never answer, nor do the work.
        delay_seconds: wait so long before anything else.
        times: how often it strikes.
        path: how the path of those requests ends.
    """

    verb: str = ""
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: Literal["before", "after"] | None = None
    hang: bool = False
    delay_seconds: float = 0.0
    times: int = 1
    path: str = ""

    def meets(self, asked: Asked) -> bool:
        """Whether it is about this request."""
        verb = self.verb in ("", asked.verb)
        return self.times > 0 and verb and asked.path.endswith(self.path)
