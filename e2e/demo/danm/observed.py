"""One observation of the pods, DANM's endpoints, the network and the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod; ``address``: that it really runs with, ``""`` = it does not run."""

    name: str
    node: str
    ending: bool
    address: str


@dataclass(frozen=True, slots=True)
class Observed:
    """The whole state at one moment.

    Attributes:
        holders: which pod each endpoint gives the address to.
        in_use: what the bits of the network say of it.
        nodes: the condition Ready of each node.
        reason: of the last Event of an endpoint, with its message.
    """

    pods: tuple[Pod, ...]
    holders: Mapping[str, str]
    in_use: bool
    nodes: Mapping[str, str]
    reason: str

    @property
    def running(self) -> tuple[Pod, ...]:
        """Pods that run with the address."""
        return tuple(pod for pod in self.pods if pod.address)

    @property
    def waiting(self) -> tuple[Pod, ...]:
        """Pods that shall run, and cannot without it."""
        return tuple(pod for pod in self.pods if pod.node and not pod.ending and not pod.address)

    def describe(self) -> str:
        """In a few lines, for whoever has to find out what is missing."""
        pods = "; ".join(
            f"{pod.name} on {pod.node or 'no node'}{' (ending)' if pod.ending else ''}:"
            f" {pod.address or 'no address'}"
            for pod in self.pods
        )
        return (
            f"  pods: {pods or 'none'}\n  endpoints: {dict(self.holders)}; in use: {self.in_use}\n"
            f"  nodes: {dict(self.nodes)}\n  last Event: {self.reason or 'none'}"
        )
