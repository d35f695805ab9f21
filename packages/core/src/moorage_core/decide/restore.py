"""What a node gave up for an address, and when it gets it again.

Some clouds let an interface have one public address. There a node that is to hold a reserved one
must give its own, ephemeral one up first. The debt is written down before that address is taken,
and paid when the reserved one has gone elsewhere: a node never stays without because of us.
"""

from __future__ import annotations

from dataclasses import replace

from moorage_core import reasons
from moorage_core.decide.begin import Why, begin, begin_compensation
from moorage_core.decide.case import Case, Step
from moorage_core.model import Mutation, Place, Present
from moorage_provider.protocol import MachineHolder


def give_back_to_refused_target(case: Case) -> Step | None:
    """A target that cannot have the address gets its own again before the next one is tried."""
    record, world = case.record, case.world
    place = record.place
    if not place or place not in due(case) or not isinstance(case.reading, Present):
        return None
    node = world.nodes.get(place.node_name)
    avoided = world.avoided.get(record.ip, {}).get(place.node_uid, 0.0) > world.uptime
    if node and node.uid == place.node_uid and case.targets.can_use(node) and not avoided:
        return None
    return begin(case, Mutation.COMPENSATE, place, Why(reasons.COMPENSATING))


def give_back(case: Case, step: Step) -> Step:
    """``step``, where nothing is left to do for the address itself, with the next debt paid."""
    if step.record is None or not unpaid(case):
        return step
    if debts := due(case):
        return begin_compensation(case, step.record, debts[0])
    return replace(step, wait=min(filter(None, (step.wait, _until_payable(case))), default=None))


def unpaid(case: Case) -> tuple[Place, ...]:
    """The nodes that the address has left and that have no public address of their own yet."""
    if not case.record.owed:
        return ()
    holder = case.reading.address.holder if isinstance(case.reading, Present) else None
    machine = holder.machine_id if isinstance(holder, MachineHolder) else ""
    machine_of = case.world.machine_of
    return tuple(
        place
        for place in case.record.owed
        if machine_of.get(place.provider_id, "") not in ("", machine)
    )


def due(case: Case) -> tuple[Place, ...]:
    """Those of them that can be given one now."""
    later = case.world.unpaid.get(case.record.ip, {})
    return tuple(
        place for place in unpaid(case) if later.get(place.node_uid, 0.0) <= case.world.uptime
    )


def _until_payable(case: Case) -> float | None:
    later = case.world.unpaid.get(case.record.ip, {})
    times = (later.get(place.node_uid, 0.0) - case.world.uptime for place in unpaid(case))
    return min((left for left in times if left > 0), default=None)
