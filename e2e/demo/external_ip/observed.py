"""One observation of the Service, its claim, the nodes and the client."""

from __future__ import annotations

from dataclasses import dataclass

ANNOUNCED = "Announced"


@dataclass(frozen=True, slots=True)
class Client:
    """What the client outside saw.

    Attributes:
        answered_by: nodes that answered ARP when it asked last.
        reached: the node that answered its last datagram; ``""``: none did.
        doubled: how often two or more have answered since the demo began.
        silence: seconds, the longest time without an answer since the step began.
    """

    answered_by: frozenset[str] = frozenset()
    reached: str = ""
    doubled: int = 0
    silence: float = 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """The whole state at one moment.

    Attributes:
        address: of the Service, as its status says; ``""``: it has none.
        claims: how many IpClaims there are.
        holder: the node that the claim names; ``""``: none.
        states: what each node says of the claim, by node.
        kernels: nodes whose kernel has the address.
        agents: nodes whose agent runs.
        live: nodes that the controller counts as live, and that do not drain.
    """

    address: str
    claims: int
    holder: str
    states: dict[str, str]
    kernels: frozenset[str]
    agents: frozenset[str]
    live: frozenset[str]
    client: Client

    @property
    def settled(self) -> str:
        """The node that has it by its claim and its own words; ``""``: none."""
        return self.holder if self.states.get(self.holder) == ANNOUNCED else ""

    def describe(self) -> str:
        """In a few lines, for whoever has to find out what is missing."""
        return (
            f"  Service: {self.address or 'no address'}; {self.claims} claims, of {self.holder!r}\n"
            f"  nodes say {self.states}; kernels with it: {sorted(self.kernels)}\n"
            f"  agents: {sorted(self.agents)}, live: {sorted(self.live)}\n  {self.client}"
        )
