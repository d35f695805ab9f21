"""The nodes' link, as a client on it sees it that is no node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage_testing.lab import Client


class NoOutsideError(Exception):
    """Nothing of ours is on the link of the nodes of such a cluster."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A client, and what it may ask for.

    Attributes:
        client: asks who has an address.
        pool: addresses on that link that nobody has, as a CIDR.
        serves: whether nodes have a service proxy, with pods behind it that run.
        agent: settings that agents need there, of the chart's ``nodeAgent.config``.
    """

    client: Client
    pool: str
    serves: bool
    agent: Mapping[str, Any] = field(default_factory=dict)
