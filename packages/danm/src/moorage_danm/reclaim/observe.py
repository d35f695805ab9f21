"""Observe: one endpoint, its pod, its node and who waits for its addresses; caches only."""

from __future__ import annotations

import time

from moorage_danm.caches import Caches
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.pod import Pod
from moorage_danm.names import WANTED_SECONDS
from moorage_danm.reclaim.brake import Allowance, suspended
from moorage_danm.reclaim.eligible import Case, PodState, Verdict, host_node, pod_state, verdict
from moorage_danm.reclaim.keys import endpoint_key, split_endpoint
from moorage_danm.reclaim.model import Observed
from moorage_danm.reclaim.node_class import NodeClass, NodeState, NodeTimes, classify
from moorage_danm.reclaim.node_memory import NodeMemory
from moorage_danm.reclaim.pending import PendingAddresses
from moorage_danm.settings import DanmSettings
from moorage_ipam.first_seen import FirstSeen


class Observer:
    """Reads what a decision rests on."""

    def __init__(
        self,
        caches: Caches,
        memory: NodeMemory,
        pending: PendingAddresses,
        allowance: Allowance,
        settings: DanmSettings,
    ) -> None:
        self._caches = caches
        self._memory = memory
        self._pending = pending
        self._allowance = allowance
        self._settings = settings
        self._times = NodeTimes(settings.gone_seconds, settings.grace_seconds)
        self._over = FirstSeen()

    def endpoint(self, key: str) -> Observed | None:
        """One endpoint; ``None`` = it is gone."""
        group, rest = split_endpoint(key)
        caches = self._caches.groups[group]
        endpoint = caches.endpoints.get(rest)
        if endpoint is None:
            self._over.forget(key)
            return None
        name, node = self.node(endpoint)
        pod = self._caches.pods.get(endpoint.pod_key)
        state = pod_state(endpoint, pod, name)
        judged = self._judged(endpoint, state, node, pod)
        network = caches.network(endpoint.network)
        return Observed(
            endpoint=endpoint,
            pod=state,
            node_name=name,
            node=node,
            verdict=judged,
            problem=network.problem if network is not None else "",
            wanted_by=self._wanted_by(endpoint) if judged.eligible else (),
            demanded=_is_demanded(endpoint),
            trigger=self._settings.trigger,
            suspended=suspended(self._caches),
            cleaner=self.beside_a_cleaner,
            next_turn=self._allowance.next_turn(),
            settled=endpoint.uid in self._pending.settled,
        )

    @property
    def beside_a_cleaner(self) -> bool:
        """Whether a danm-cleaner runs, and nobody said that it makes no difference."""
        return bool(self._caches.cleaners.get(True)) and not self._settings.beside_cleaner

    def node(self, endpoint: Endpoint) -> tuple[str, NodeState]:
        """The node that the endpoint's host is, and what it is taken for."""
        host = endpoint.host.lower()
        pod = self._caches.pods.get(endpoint.pod_key)
        its = pod if pod is not None and pod.uid == endpoint.pod_uid else None
        named = self._caches.nodes_by_host.get(host)
        name, why = host_node(endpoint.host, named, self._memory.departed(host), its)
        if not name:
            return "", NodeState(NodeClass.UNKNOWN, why)
        return name, classify(self._memory.facts(name), self._times)

    def concerns_us(self, endpoint: Endpoint) -> bool:
        """Whether anything is to be done or waited for; most endpoints of a cluster do not."""
        if endpoint.taken is not None or endpoint.deleting:
            return True
        name, node = self.node(endpoint)
        if node.node_class is not NodeClass.READY:
            return True
        state = pod_state(endpoint, self._caches.pods.get(endpoint.pod_key), name)
        return state not in (PodState.RUNS, PodState.DELETED)

    def _judged(
        self, endpoint: Endpoint, state: PodState, node: NodeState, pod: Pod | None
    ) -> Verdict:
        key = endpoint_key(endpoint)
        if state.over:
            over = self._over.seconds(key, endpoint.uid)
        else:
            over = 0.0
            self._over.forget(key)
        return verdict(
            Case(
                pod=state,
                node=node,
                policy=self._settings.policy,
                absent_seconds=over,
                orphan_seconds=self._settings.orphan_seconds,
                deletion=pod.deletion if pod is not None else None,
                now=time.time(),
            )
        )

    def _wanted_by(self, endpoint: Endpoint) -> tuple[Pod, ...]:
        """Pods that cannot start without one of the addresses, and are no longer the old one.

        One that takes the old one's place is of its namespace: in a network of the whole cluster
        nobody else has an address freed by asking for it.
        """
        if endpoint.network is None:
            return ()
        found = {
            pod.key: pod
            for address in endpoint.addresses
            for pod in self._caches.wanting(endpoint.network, address)
            if pod.pending
            and pod.deletion is None
            and pod.uid != endpoint.pod_uid
            and pod.namespace == endpoint.namespace
        }
        return tuple(found.values())


def _is_demanded(endpoint: Endpoint) -> bool:
    """Whether the admission service asks for it, for a pod that waits to be created."""
    return endpoint.wanted is not None and time.time() - endpoint.wanted <= WANTED_SECONDS
