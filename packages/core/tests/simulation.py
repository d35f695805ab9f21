"""A cluster and a cloud in memory under the real decisions, with virtual time and accidents."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace

import simulated_labels
from accidents import ApiError
from clockwork import GRACE_SECONDS, Flight
from core_builders import by_machine, shared_machines
from loop_writes import (
    AddFinalizer,
    RemoveFinalizer,
    Write,
    WriteStatus,
    carried_out,
    in_order,
)
from simulated_cluster import Memory, SimulatedCluster, Stored, read_back, run_in_loop

from moorage_core.actions import (
    Action,
    LabelNode,
    Mutate,
    RemoveTaint,
    UnlabelNode,
)
from moorage_core.carry_out import Carrying, Hooks
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import labelled, labels_ahead
from moorage_core.decide.outcomes import REFUSED, may_still_come_true
from moorage_core.decide.restore import MAY_STILL_COME_SECONDS
from moorage_core.model import (
    HAVE_A_CHOICE,
    Allocation,
    CloudState,
    Mutation,
    NodeReference,
    Observed,
    Outcome,
    Phase,
    Present,
    Selection,
    Unread,
)
from moorage_core.mutations import bug_of
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_core.report import events
from moorage_core.selected import with_selected
from moorage_domain.plans import Plan
from moorage_provider.errors import CloudError, Unavailable


class Simulation(simulated_labels.LabelledNodes, SimulatedCluster):
    """Nodes, allocations and a memory cloud; ``settle`` runs the controller until it rests."""

    # The controller.

    def observe(self, name: str) -> Observed:
        """What the controller observes."""
        stored = self.stored[name]
        records = stored.records
        texts = {node.provider_id for node in self.nodes.values()}
        for record in records:
            node_refs = (*record.places, *record.restore_pending)
            texts |= {node_ref.provider_id for node_ref in node_refs}
            self._miss(record.node_ref)
        machine_of = {text: m for text in texts if (m := self.provider.machine_id(text))}
        conflicts = self.conflicts(name)
        cloud_states = self.read(stored, conflicts)
        labels = stored.allocation.labels
        shown = frozenset(self.cloud.snapshot((), (labels,))) if labels else frozenset()
        selection = Selection(shown) if labels else None
        return Observed(
            allocation=with_selected(stored.allocation, records, selection, cloud_states),
            selection=selection,
            records=records,
            now=self.now,
            uptime=self.now,
            cloud_states=cloud_states,
            capabilities=self.cloud.capabilities,
            nodes=dict(self.nodes),
            by_machine=by_machine(self.nodes.values(), machine_of, records),
            machine_of=machine_of,
            shared_machines=shared_machines(self.nodes.values(), machine_of),
            owned=[n.name for n in self.nodes.values() if n.owner == stored.allocation.uid],
            taken=self._taken(name),
            restore_pending_elsewhere=self._restores_elsewhere(name),
            conflicts=conflicts,
            busy=frozenset(self.busy),
            crowded=frozenset(self.crowded),
            drain_timeout=self.drain_timeout,
            pods_go=self.pods_go,
            shares_label=self.shares_label,
            in_flight={ip: one.mutate for ip, one in self.clockwork.flights.items()},
            counted=dict.fromkeys(self.nodes, True),
            misplaced=self._misplaced(stored.allocation),
            spoken_for=self._spoken_for(cloud_states.values()),
            outcomes={
                r.ip: self.memory.outcomes[r.ip]
                for r in records
                if r.ip in self.memory.outcomes and r.ip not in conflicts
            },
            avoided=self.memory.avoidance.avoided,
            doubtful=self.memory.avoidance.doubtful,
            restore_after=self.memory.restore_after,
            restore_refused=self.memory.restore_refused,
            not_ready_since=self.memory.not_ready_since,
            gone_since=self.memory.gone_since,
            gone_zones=self.memory.gone_zones,
            observed_generation=stored.observed_generation,
            working_seconds=self.now - self.memory.began,
        )

    def plan(self, name: str) -> Plan[Action]:
        """What the controller would do now."""
        observed = self.observe(name)
        return carried_out(decide(observed), observed, self.stored[name].conditions)

    def planned(self, name: str) -> tuple[Write, ...]:
        """What the reconciler would write and do now, in order."""
        observed = self.observe(name)
        return in_order(decide(observed), observed, self.stored[name].conditions)

    def pass_over(self, name: str) -> bool:
        """One pass; whether it did anything."""
        if name not in self.stored:
            return False
        observed = self.observe(name)
        plan = decide(observed)
        if ahead := labels_ahead(observed, plan.actions):
            with contextlib.suppress(ApiError):  # it is tried again after the status
                self._carry_out(name, ahead)
            observed = self.observe(name)
            plan = decide(observed)
        before = self.stored[name].conditions
        wait = plan.wait.total_seconds() if plan.wait is not None else None
        unread = any(isinstance(one, Unread) for one in observed.cloud_states.values())
        self.clockwork.observed_cloud(name, dict(self.cloud.holders), unread=unread)
        self.clockwork.passed(name, self.now, wait)
        writes = in_order(plan, observed, self.stored[name].conditions)
        self._carry_out(name, writes)
        self._report(observed, carried_out(plan, observed, before))
        for ip in observed.outcomes:
            if self.memory.outcomes.get(ip) is observed.outcomes[ip]:
                del self.memory.outcomes[ip]
        return bool(writes)

    def _carry_out(self, name: str, writes: Iterable[Write]) -> None:
        """Each, unless an accident stops it."""
        for write in writes:
            try:
                self.before(write)
            except ApiError:
                self.clockwork.retry(name, self.now)
                raise
            self._act(name, write)
            self.after(write)

    def _report(self, observed: Observed, plan: Plan[Action]) -> None:
        """Keep what people are told: Events, and the log line, which comes when it changes."""
        told = events(observed, plan, self.memory.said)
        self.events.extend(f"{one.type} {one.reason}: {one.message}" for one in told)
        self.logged[observed.allocation.name] = plan.message

    def settle(self, seconds: float = 0.0, passes: int = 60) -> None:
        """Let time go by, then go on until nothing is under way or due within a moment."""
        self.work(seconds)
        for _ in range(passes):
            at = self._next()
            if at > self.now + GRACE_SECONDS and not self._under_way():
                return
            self.work(at - self.now)
        plans = {name: self.planned(name) for name in self.stored}
        raise AssertionError(f"does not come to rest: {plans}")

    def _under_way(self) -> list[Flight]:
        """Mutations that may change something; a hopeless machine is tried now and then."""
        flights = self.clockwork.flights.values()
        machines = {"", *self.cloud.machine_ids} - self.odd
        return [flight for flight in flights if flight.mutate.machine_id in machines]

    def work(self, seconds: float) -> None:
        """Let time go by, and whatever is due in it happen at its time."""
        end = self.now + seconds
        while (at := self._next()) <= end:
            self._turn_to(at)
            for name in self.clockwork.ready(list(self.stored), self.now):
                self.pass_over(name)
            self.look_at_labels()
        self._turn_to(end)

    def _next(self) -> float:
        """When something happens next; a change that was made by hand is noticed here."""
        self.clockwork.changed(self._cluster())
        cloud = self._cloud()
        return min(self.clockwork.next(self.stored, self.now, cloud), self.labels_due())

    def _turn_to(self, now: float) -> None:
        before, self.now = self.now, max(self.now, now)
        self.clockwork.land(self.now, self._land)
        self.clockwork.read(before, self.now, self._cloud())

    def _cloud(self) -> object:
        """What the cloud may show otherwise than before; a fault may show anything."""
        return object() if self.cloud.faults.waiting else dict(self.cloud.holders)

    def _cluster(self) -> object:
        """All that the API server would report a change of."""
        stored = [(s.allocation, s.records, s.conditions) for s in self.stored.values()]
        nodes = list(self.nodes.values())
        pods = (set(self.busy), set(self.crowded), dict(self.pods), self.pods_go, self.shares_label)
        return (nodes, stored, pods)

    def crash(self) -> None:
        """Lose all that only the process knew."""
        down = {n.uid: self.now for n in self.nodes.values() if not n.ready}
        self.memory = Memory(not_ready_since=down, began=self.now)
        for stored in self.stored.values():
            stored.read(read_back(stored))
        self.clockwork.crash()

    def _miss(self, node_ref: NodeReference | None) -> None:
        node = self.nodes.get(node_ref.name) if node_ref else None
        if node_ref and (node is None or node.uid != node_ref.uid):
            self.memory.gone_since.setdefault(node_ref.uid, self.now)

    def _restores_elsewhere(self, name: str) -> set[str]:
        others = [one for other, one in self.stored.items() if other != name]
        return {ref.provider_id for one in others for r in one.records for ref in r.restorable}

    def _misplaced(self, allocation: Allocation) -> list[MisplacedPod]:
        return [
            MisplacedPod(key, f"uid-{key}", node_name)
            for key, node_name in self.pods.items()
            if allocation.evict_misplaced
            and key.startswith(f"{allocation.name}/")
            and node_name in self.nodes
            and not labelled(self.nodes[node_name])
        ]

    def _spoken_for(self, cloud_states: Iterable[CloudState]) -> set[str]:
        records = (record for stored in self.stored.values() for record in stored.records)
        read = {self.where(r.address.ip) for r in cloud_states if isinstance(r, Present)}
        return {name for name in read if name} | {ref.name for r in records for ref in r.places}

    def _taken(self, name: str) -> dict[str, str]:
        return {
            record.node_ref.name: other
            for other, stored in self.stored.items()
            if other != name
            for record in stored.records
            if record.node_ref
        }

    def _act(self, name: str, action: Write) -> None:
        stored: Stored = self.stored[name]
        match action:
            case AddFinalizer():
                stored.allocation = replace(stored.allocation, finalizer=True)
            case RemoveFinalizer():
                del self.stored[name]
            case LabelNode() | UnlabelNode() | RemoveTaint():
                self.change_labels(action, stored.allocation.uid)
            case WriteStatus(records, conditions):
                stored.read(records)
                stored.conditions = conditions
                stored.observed_generation = stored.allocation.generation
            case Mutate():
                self._mutate(action)
            case EvictPod(pod):
                del self.pods[pod.key]
            case _:
                pass
        self.writes.append(action)

    def _mutate(self, mutate: Mutate) -> None:
        """Begin it; of two that take their time, one is done at once and reported only later."""
        if mutate.ip in self.clockwork.flights:
            return
        self.memory.outcomes.pop(mutate.ip, None)
        if not self.mutation_seconds:
            self.memory.outcomes[mutate.ip] = self._carried_out(mutate)
            self.clockwork.due.clear()
            return
        outcome = self._carried_out(mutate) if len(self.writes) % 2 else None
        lands_at = self.now + self.mutation_seconds
        self.clockwork.flights[mutate.ip] = Flight(mutate, lands_at, outcome)

    def _land(self, flight: Flight) -> None:
        mutate = flight.mutate
        self.memory.outcomes[mutate.ip] = flight.outcome or self._carried_out(mutate)

    def _carried_out(self, mutate: Mutate) -> Outcome:
        uid = mutate.node_ref.uid if mutate.node_ref else ""
        accepted: list[str] = []
        hooks = Hooks(
            accepted=lambda _mutate, handle: accepted.append(handle),
            leaving=self._unlabel_before_leaving,
            attaching=self._may_die_between_two_steps,
            leaves=self._is_placed,
        )
        carrying = Carrying(self.provider, mutate, hooks, poll_seconds=0.0)
        try:
            done = run_in_loop(carrying.run())
        except Exception as failure:  # noqa: BLE001  # a bug counts as an error of the cloud
            error = failure if isinstance(failure, CloudError) else bug_of(failure)
            return self._failed(carrying.step, error, accepted=bool(accepted))
        step = carrying.step
        self.memory.failures.pop(step.ip, None)
        self.memory.avoidance.succeeded(step)
        self.memory.restore_after.get(step.ip, {}).pop(uid, None)
        self.memory.restore_refused.get(step.ip, {}).pop(uid, None)
        return Outcome(step.mutation, step.allocation, None, uid, must_record_first=not done)

    def _is_placed(self, ip: str) -> bool:
        records = (r for stored in self.stored.values() for r in stored.records)
        return any(r.ip == ip and r.places for r in records)

    def _is_released(self, step: Mutate) -> bool:
        stored = self.stored.get(step.allocation)
        records = stored.records if stored else ()
        return any(r.ip == step.ip and r.phase is Phase.RELEASING for r in records)

    def _failed(self, step: Mutate, error: CloudError, *, accepted: bool) -> Outcome:
        uid = step.node_ref.uid if step.node_ref else ""
        if step.mutation is Mutation.RESTORE:
            self.memory.restore_after.setdefault(step.ip, {})[uid] = self.now + 2.0
            if isinstance(error, REFUSED):
                self.memory.restore_refused.setdefault(step.ip, {})[uid] = error.message
                if self._is_released(step):
                    self.refused.add(step.machine_id)
        elif step.mutation in HAVE_A_CHOICE and may_still_come_true(error, accepted=accepted):
            until = self.now + MAY_STILL_COME_SECONDS
            self.memory.restore_after.setdefault(step.ip, {})[uid] = until
        self.memory.avoidance.failed(step, error, self.now)
        failures = self.memory.failures[step.ip] = self.memory.failures.get(step.ip, 0) + 1
        return Outcome(
            step.mutation, step.allocation, error, uid, retry_in=min(60.0, 2.0**failures)
        )

    async def _unlabel_before_leaving(self, move: Mutate) -> None:
        """As the actor does: what the API server refuses stops the move."""
        node = self.nodes.get(move.previous.name) if move.previous else None
        if node is None or not labelled(node) or node.owner not in ("", move.allocation_uid):
            return
        unlabel = UnlabelNode(node)
        try:
            self.before(unlabel)
        except ApiError as error:
            raise Unavailable("the API server does not answer") from error
        self.change_labels(unlabel, move.allocation_uid)
        self.writes.append(unlabel)
        self.after(unlabel)

    async def _may_die_between_two_steps(self, attach: Mutate) -> None:
        self.after(attach)
