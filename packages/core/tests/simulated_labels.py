"""The part of the simulation that looks at nodes which say they hold an address."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from accidents import ApiError
from simulated_cluster import SimulatedCluster, Stored, run_in_loop

from moorage_core.actions import AskMachine, LabelNode, NodeChange, RemoveTaint, UnlabelNode
from moorage_core.decide import false_labels
from moorage_core.decide.false_labels import LabelledNode
from moorage_core.decide.node_labels import LABELS, labels_for, says_it_holds
from moorage_core.decide.outcomes import reason_for
from moorage_core.model import CloudState, Phase, Unread
from moorage_core.scope import state_of
from moorage_domain.claims import Claim, winner
from moorage_domain.nodes import Node
from moorage_provider.errors import CloudError
from moorage_provider.protocol import MachineHolder


class LabelledNodes(SimulatedCluster):
    """A cluster whose nodes are looked at whenever they say what no record says."""

    def labels_due(self) -> float:
        """When a node is looked at next."""
        dues = self.memory.labels_due
        return min((dues.get(node.name, self.now) for node in self._doubted()), default=math.inf)

    def look_at_labels(self) -> None:
        """Look at every such node that is due."""
        doubted = self._doubted()
        names = {node.name for node in doubted}
        for known in (self.memory.labels_since, self.memory.labels_due):
            for name in known.keys() - names:
                del known[name]
        for node in doubted:
            if self.memory.labels_due.get(node.name, self.now) <= self.now:
                try:
                    self.memory.labels_due[node.name] = self.now + self._look_at(node)
                except ApiError:
                    self.memory.labels_due[node.name] = self.now + 1.0

    def _doubted(self) -> list[Node]:
        records = [record for stored in self.stored.values() for record in stored.records]
        uids = {ref.uid for r in records for ref in r.places}
        return [n for n in self.nodes.values() if says_it_holds(n) and n.uid not in uids]

    def _look_at(self, node: Node) -> float:
        """One pass, or two where its machine is asked; seconds until the next one."""
        observed = self._observed(node)
        plan = false_labels.decide(observed)
        if any(isinstance(action, AskMachine) for action in plan.actions):
            has_one = self._machine_has_one(node)
            plan = false_labels.decide(replace(observed, asked=True, machine_has_one=has_one))
        for action in plan.actions:
            if isinstance(action, UnlabelNode):
                self.before(action)
                self.change_labels(action, node.owner)
                self.writes.append(action)
                self.after(action)
        assert plan.wait is not None
        return plan.wait.total_seconds()

    def _observed(self, node: Node) -> LabelledNode:
        states = [
            state
            for name, stored in self.stored.items()
            for state in self.read(stored, self.conflicts(name)).values()
        ]
        claimed = {ip for name in self.stored for ip in self.claims(name)}
        holders = (self.cloud.holders.get(ip) for ip in claimed)
        machines = {one.machine_id for one in holders if isinstance(one, MachineHolder)}
        unread = any(isinstance(state, Unread) for state in states)
        return LabelledNode(
            node,
            for_seconds=self.now - self.memory.labels_since.setdefault(node.name, self.now),
            beside=self._beside(node),
            held=self.machine_of(node) in machines and not unread,
            all_known=all(map(_is_settled, self.stored.values())) and not unread,
        )

    def _beside(self, node: Node) -> str:
        refs = {r.node_ref.uid for s in self.stored.values() for r in s.records if r.node_ref}
        machine = self.machine_of(node)
        others = (n for n in self.nodes.values() if self.machine_of(n) == machine and n.uid in refs)
        return min((other.name for other in others), default="")

    def _machine_has_one(self, node: Node) -> bool | None:
        try:
            machine = run_in_loop(self.provider.machine(self.machine_of(node)))
        except (CloudError, KeyError):
            # The latter is a provider's bug, which ends the pass: nothing is known then either.
            return None
        claimed = {ip for name in self.stored for ip in self.claims(name)}
        return machine.public_ip_reserved and machine.public_ip in claimed

    def read(self, stored: Stored, conflicts: Iterable[str]) -> dict[str, CloudState]:
        held = {r.ip for r in stored.records if r.ours}
        wanted = () if stored.allocation.deleting else stored.allocation.addresses
        asked = sorted((held | set(wanted)) - set(conflicts))
        if not asked:
            return {}
        try:
            answer = run_in_loop(self.provider.snapshot(asked))
        except CloudError as error:
            unread = Unread(reason_for(error), f"cannot read the cloud: {error}")
            return dict.fromkeys(asked, unread)
        return {ip: state_of(answer.get(ip)) for ip in asked}

    def conflicts(self, name: str) -> dict[str, str]:
        mine = self.claims(name)
        conflicts = {}
        for ip in mine:
            asking = [
                self.stored[other].allocation for other in self.stored if ip in self.claims(other)
            ]
            first = winner([Claim(one.created, one.uid, one.name) for one in asking])
            if first and first.name != name:
                conflicts[ip] = first.name
        return conflicts

    def claims(self, name: str) -> set[str]:
        stored = self.stored[name]
        held = {r.ip for r in stored.records if r.ours}
        return held | set(stored.allocation.addresses)

    def change_labels(self, change: NodeChange, owner: str) -> None:
        node = self.nodes.get(change.node.name)
        if node is None or node.uid != change.node.uid:
            return
        match change:
            case LabelNode(_, ip):
                node = replace(node, labels={**node.labels, **labels_for(ip)}, owner=owner)
            case UnlabelNode():
                kept = {k: v for k, v in node.labels.items() if k not in LABELS}
                node = replace(node, labels=kept, owner="")
            case RemoveTaint(_, key):
                node = replace(node, taints=tuple(one for one in node.taints if one.key != key))
        self.nodes[node.name] = node


def _is_settled(stored: Stored) -> bool:
    fresh = stored.observed_generation == stored.allocation.generation
    unsure = any(r.phase in (Phase.PENDING, Phase.UNKNOWN) for r in stored.records)
    return fresh and not unsure and not stored.allocation.problem
