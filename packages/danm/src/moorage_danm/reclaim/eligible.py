"""Eligibility: whether the pod of an endpoint may still run, so that its addresses stay; pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from moorage_danm import reasons
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.pod import Pod
from moorage_danm.reclaim.node_class import NodeClass, NodeState
from moorage_domain.reasons import Reason

Policy: TypeAlias = Literal["strict", "grace", "immediate"]


class PodState(enum.Enum):
    """What has become of the pod that an endpoint was made for."""

    ABSENT = "is gone"
    ENDED = "has ended"
    DELETED = "is being deleted"
    RUNS = "may run"
    ELSEWHERE = "runs on another node"
    UNKNOWN = "is not known"

    @property
    def over(self) -> bool:
        """Whether it does not exist any more, or all its containers have ended."""
        return self in (PodState.ABSENT, PodState.ENDED)


def host_node(
    host: str, named: Iterable[str], departed: Iterable[str], pod: Pod | None
) -> tuple[str, str]:
    """The node that a host is, and why none is known, for people.

    ``named``: nodes that may be known by this host name; ``departed``: nodes that were, and are
    gone; ``pod``: that of the endpoint, by its uid.
    """
    there, gone = sorted(set(named)), sorted(set(departed))
    if host.lower() in there:
        return host.lower(), ""
    if len(there) > 1:
        return "", f"host {host} may be each of the nodes {', '.join(there)}"
    if there:
        return there[0], ""
    if len(gone) == 1:
        return gone[0], ""
    if pod is not None and pod.node:
        return pod.node, ""
    return "", f"no node is known for host {host}"


def pod_state(endpoint: Endpoint, pod: Pod | None, node: str) -> PodState:
    """The state of the endpoint's pod; ``pod`` is the one that has its name now.

    ``node``: the node that the endpoint's host is, ``""`` = unknown.
    """
    if pod is None:
        return PodState.ABSENT
    if not endpoint.pod_uid:
        if not _may_be_its(endpoint, pod, node):
            return PodState.UNKNOWN
    elif pod.uid != endpoint.pod_uid:
        return PodState.ABSENT
    if pod.ended:
        return PodState.ENDED
    if node and pod.node and pod.node != node:
        return PodState.ELSEWHERE
    deleted = pod.deletion is not None or pod.tainted
    return PodState.DELETED if deleted else PodState.RUNS


def _may_be_its(endpoint: Endpoint, pod: Pod, node: str) -> bool:
    """Of an endpoint that does not say which pod: one of its name, on its host, that is older."""
    if pod.created is None or endpoint.created is None:
        return False
    return bool(node) and pod.node == node and pod.created <= endpoint.created


@dataclass(frozen=True, slots=True)
class Case:
    """What eligibility rests on.

    Attributes:
        absent_seconds: how long this process has seen the pod to be over.
        deletion: when its deletion is over, in epoch seconds; ``None`` = nobody deletes it.
        now: epoch seconds.
    """

    pod: PodState
    node: NodeState
    policy: Policy
    absent_seconds: float
    orphan_seconds: float
    deletion: float | None
    now: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether addresses may be freed.

    Attributes:
        eligible: they may.
        why: for people.
        wait: seconds until time alone may change it; ``None`` = it does not.
    """

    eligible: bool
    reason: Reason
    why: str
    wait: float | None = None


def verdict(case: Case) -> Verdict:
    """Whether the pod's addresses may be freed; who asks for them is another question.

    | the node is | the pod is over | is being deleted | may run |
    |---|---|---|---|
    | gone, fenced | yes | yes | yes |
    | unreachable | not with strict | not with strict, once its deletion is over | immediate |
    | not ready | immediate | immediate | immediate |
    | ready, unknown | not with strict, after the orphan time | no | no |
    """
    pod, node = case.pod, case.node
    if pod is PodState.ELSEWHERE:
        return _no(reasons.POD_ELSEWHERE, f"{node.why}, and the pod runs on another node")
    if pod is PodState.UNKNOWN:
        return _no(reasons.POD_UNKNOWN, "the pod of that name may be another one")
    if node.node_class.fenced:
        return _yes(case)
    if node.node_class in (NodeClass.UNREACHABLE, NodeClass.NOT_READY):
        return _yes(case) if case.policy == "immediate" else _silent(case)
    return _orphan(case)


def _silent(case: Case) -> Verdict:
    """The node is there, not ready, and not fenced."""
    node = case.node
    if node.node_class is NodeClass.NOT_READY:
        return _no(reasons.NODE_UNCERTAIN, node.why, node.wait)
    if case.policy == "strict":
        return _no(reasons.POLICY_HOLDS, f"{node.why}, and the policy is strict")
    if case.pod.over:
        return _yes(case)
    if case.deletion is None:
        return _no(reasons.NOT_DELETED, f"{node.why}, and nobody has deleted the pod")
    if case.deletion >= case.now:
        left = min(case.deletion - case.now, _LONGEST)
        return _no(reasons.POD_TERMINATING, f"{node.why}; the pod's deletion is not over", left)
    return _yes(case)


_LONGEST = 3600.0


def _orphan(case: Case) -> Verdict:
    """The node is ready, or is not known."""
    node = case.node
    if node.vetoed:
        return _no(reasons.LEASE_RENEWED, node.why, node.wait)
    if not case.pod.over:
        ready = node.node_class is NodeClass.READY
        reason = reasons.IN_USE if ready else reasons.NODE_UNCERTAIN
        return _no(reason, f"{node.why}, and the pod {case.pod.value}", node.wait)
    if case.policy == "strict":
        return _no(reasons.POLICY_HOLDS, f"{node.why}, and the policy is strict", node.wait)
    left = case.orphan_seconds - case.absent_seconds
    if left > 0:
        wait = left if node.wait is None else min(left, node.wait)
        return _no(reasons.ORPHAN, f"{node.why}, and the pod {case.pod.value}", wait)
    return _yes(case)


def _yes(case: Case) -> Verdict:
    return Verdict(
        eligible=True, reason=reasons.RECLAIMING, why=f"{case.node.why}; the pod {case.pod.value}"
    )


def _no(reason: Reason, why: str, wait: float | None = None) -> Verdict:
    return Verdict(eligible=False, reason=reason, why=why, wait=wait)
