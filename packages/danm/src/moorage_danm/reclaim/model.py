"""What a decision about an endpoint rests on, and what may be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.pod import Pod
from moorage_danm.reclaim.eligible import PodState, Verdict
from moorage_danm.reclaim.node_class import NodeClass, NodeState

Trigger: TypeAlias = Literal["auto", "demand", "eager"]


@dataclass(frozen=True, slots=True)
class Observed:
    """One endpoint and all that concerns it.

    Attributes:
        node_name: the node that its host is; ``""`` = unknown.
        verdict: whether its addresses may be freed.
        problem: why the bits of its network cannot be read; ``""`` = they can, or it has none.
        wanted_by: pods that wait for one of its addresses.
        demanded: the admission service has asked for them lately, for a pod that is not there yet.
        trigger: what the settings say.
        suspended: why nothing is freed from nodes that are not fenced; ``""`` = it is.
        cleaner: a danm-cleaner runs, and nobody said that we may work beside it.
        next_turn: seconds until one more endpoint may be freed from such a node; 0 = now.
        settled: its addresses are free, or none of its own any more.
    """

    endpoint: Endpoint
    pod: PodState
    node_name: str
    node: NodeState
    verdict: Verdict
    problem: str = ""
    wanted_by: tuple[Pod, ...] = ()
    demanded: bool = False
    trigger: Trigger = "auto"
    suspended: str = ""
    cleaner: bool = False
    next_turn: float = 0.0
    settled: bool = False

    @property
    def unfenced(self) -> bool:
        """Whether it is not proved that the pod does not run: nobody hears of its node.

        That the pod is gone proves nothing there: whoever deletes by force only says so.
        """
        silent = self.node.node_class in (NodeClass.UNREACHABLE, NodeClass.NOT_READY)
        return silent and self.pod is not PodState.ENDED


@dataclass(frozen=True, slots=True)
class Take:
    """Take the addresses from the endpoint: from then on they are ours to free."""

    why: str

    def __str__(self) -> str:
        return "take the addresses from the endpoint, and free them"


@dataclass(frozen=True, slots=True)
class LetGo:
    """Take our finalizer off, and delete the endpoint unless its host may still need it."""

    delete: bool

    def __str__(self) -> str:
        return "delete the endpoint" if self.delete else "leave the endpoint without addresses"


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete an endpoint whose addresses are free and that nobody needs any more."""

    def __str__(self) -> str:
        return "delete the endpoint"


Action: TypeAlias = "Take | LetGo | Remove"
