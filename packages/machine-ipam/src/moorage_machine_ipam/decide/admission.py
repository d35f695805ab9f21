"""What to answer where a Machine is about to be created: the first rule that fits decides.

| the Machine | answer |
|---|---|
| does not have our label | allowed |
| has our start hook | allowed: it gets its addresses while the hook holds it |
| is to be Cluster API's | allowed, with a warning: what we write would be undone |
| would be served by nobody now | denied: try again |
| has the name of one that may be there | the API server is asked |
| has the name of one that is there | denied, as the API server would |
| has no place for addresses | denied |
| names an address twice, or one that somebody else has | denied |
| is not to be written to: a dry run of ours | allowed, with a warning |
| lacks more addresses than are free | denied |
| lacks addresses, or uses reservations of an earlier request | they are reserved for this one |
| has them all | devices and preTerminate hook are written into it |

An address is reserved before the answer says it; a dry run of the API server reserves none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from moorage_domain.admission import AdmissionRequest, Allowed, Denied, Patched
from moorage_domain.admission import Decision as Answer
from moorage_domain.families import Address, Family
from moorage_domain.plans import first_match
from moorage_domain.subject import DRY_RUN_ANNOTATION
from moorage_domain.wire import as_map
from moorage_ipam.records import Record
from moorage_machine_ipam.decide.waiting import until
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.machine.hook_config import HookConfig
from moorage_machine_ipam.machine.hook_pools import (
    Slot,
    pool_key,
    rendered_for_openshift,
    slot_name,
    slots_of,
)
from moorage_machine_ipam.machine.model import Supply
from moorage_machine_ipam.machine.patches import (
    MachineError,
    admitted_machine,
    devices_to_address,
)
from moorage_machine_ipam.machine.projections import addresses_of_device, machine_of
from moorage_machine_ipam.machine.registration import LABEL, LABEL_VALUE
from moorage_machine_ipam.render.values import InvalidNetwork

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AdmissionObserved:
    """One request to create a Machine, and all that concerns it.

    Attributes:
        name: that the Machine has, or that we have made up as the API server would; ``""`` = it
            can have none.
        problem: why nobody can be served now; ``""`` = nothing is wrong.
        name_is_known: the cache shows a Machine of this name.
        name_is_taken: the API server says so; ``None`` = it has not been asked.
        reserved: records that are reserved for a Machine of this name.
        unowned: addresses that its devices name, the file's ranges have, and nobody uses.
        holders: who else has an address that its devices name, in words.
        supply: of the pools of the configuration, by key.
        preview: addresses that slots would get, for a dry run.
        dry_run: this process is not to change anything.
        now: epoch seconds, for messages.
    """

    request: AdmissionRequest
    name: str
    config: HookConfig | None = None
    problem: str = ""
    name_is_known: bool = False
    name_is_taken: bool | None = None
    reserved: tuple[Record, ...] = ()
    unowned: frozenset[Address] = frozenset()
    holders: Mapping[Address, str] = field(default_factory=dict)
    supply: Mapping[str, Supply] = field(default_factory=dict)
    preview: Mapping[Slot, Address] = field(default_factory=dict)
    dry_run: bool = False
    now: float = 0.0

    @property
    def machine(self) -> JsonObject:
        """As the API server sends it."""
        return self.request.object or {}


@dataclass(frozen=True, slots=True)
class AskForName:
    """Ask the API server whether a Machine of this name is there."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Reserve addresses for this request, all or none; then decide again.

    Attributes:
        again: reservations of an earlier request for a Machine of this name.
        named: this very address for the slot of that name.
        slots: any address.
    """

    again: tuple[Record, ...] = ()
    named: tuple[tuple[str, Address], ...] = ()
    slots: tuple[Slot, ...] = ()


Verdict: TypeAlias = Answer | AskForName | Reserve


def decide_admission(observed: AdmissionObserved) -> Verdict:
    """What to answer, or what to do before that."""
    # For mypy, what unrelated classes have in common is object.
    return cast("Verdict", first_match(RULES, observed))


def allow_what_is_not_ours(observed: AdmissionObserved) -> Verdict | None:
    """The configuration of the webhook should leave these out; that is not relied upon."""
    request, meta = observed.request, as_map(observed.machine.get("metadata"))
    is_machine = (request.resource.group, request.resource.name) == (
        MACHINES.group,
        MACHINES.plural,
    )
    created = request.operation == "CREATE" and not request.subresource
    chosen = as_map(meta.get("labels")).get(LABEL) == LABEL_VALUE
    # The API server refuses what has no name.
    return None if is_machine and created and chosen and observed.name else Allowed()


def leave_to_the_start_hook(observed: AdmissionObserved) -> Verdict | None:
    """Where the CRD knows start hooks, the controller of Machines serves it."""
    if observed.config is None:
        return None
    made = machine_of(_named(observed))
    return Allowed() if made.is_held_by(observed.config.hook) else None


def leave_to_cluster_api(observed: AdmissionObserved) -> Verdict | None:
    """Cluster API makes the VM, and claims addresses for it."""
    authority = as_map(observed.machine.get("spec")).get("authoritativeAPI") or "MachineAPI"
    if authority == "MachineAPI":
        return None
    return Allowed((f"it gets no static addresses: spec.authoritativeAPI is {authority}",))


def refuse_while_nobody_can_be_served(observed: AdmissionObserved) -> Verdict | None:
    """It would come up with DHCP, or with somebody else's address."""
    return unavailable(observed.problem) if observed.problem else None


def refuse_a_name_that_is_taken(observed: AdmissionObserved) -> Verdict | None:
    """The API server would say so next; until then addresses would be reserved for nobody."""
    if not observed.name_is_known:
        return None
    if observed.name_is_taken is None:
        return AskForName()
    if not observed.name_is_taken:
        return None
    message = f'{MACHINES.plural}.{MACHINES.group} "{observed.name}" already exists'
    return Denied(message, 409, "AlreadyExists")


def refuse_addresses_of_others(observed: AdmissionObserved) -> Verdict | None:
    """Two machines with one address both lose their network."""
    for index, device in enumerate(_devices(observed)):
        for address in addresses_of_device(device):
            if address in observed.holders:
                whose = observed.holders[address]
                return _invalid(f"device {index} names {address}: {whose}; name another one")
    named = [one for device in _devices(observed) for one in addresses_of_device(device)]
    for address, count in Counter(named).items():
        if count > 1:
            return _invalid(f"its devices name {address} {count} times; name it once")
    return None


def leave_alone_in_a_dry_run(observed: AdmissionObserved) -> Verdict | None:
    """A dry run of this process, or of this Machine, changes nothing."""
    annotations = as_map(as_map(observed.machine.get("metadata")).get("annotations"))
    if observed.dry_run:
        return Allowed(("it gets no static addresses: the controller runs with --dry-run",))
    if annotations.get(DRY_RUN_ANNOTATION) == "true":
        return Allowed((f"it gets no static addresses: its annotation {DRY_RUN_ANNOTATION}",))
    return None


def give_addresses(observed: AdmissionObserved) -> Verdict | None:
    """Everything that it needs is reserved for this request, and then written into it."""
    machine, config = observed.machine, observed.config
    if config is None:
        return unavailable("there is no configuration")
    try:
        there = devices_to_address(machine)
        # What stands in the way is said before an address is reserved.
        admitted_machine(machine, config.hook, {}, observed.name)
        given, needed = _slots(observed, there, config)
        if lacking := _lacking(observed, needed.slots):
            return Denied(lacking)
        if needed != Reserve():
            return needed
        rendered = rendered_for_openshift(there, config, given)
        after = admitted_machine(machine, config.hook, rendered, observed.name)
    except (MachineError, InvalidNetwork) as error:
        return _invalid(str(error))
    warnings = ("dry run: these addresses are not reserved",) if observed.request.dry_run else ()
    return Patched.between(machine, after, warnings)


RULES: tuple[Callable[[AdmissionObserved], Verdict | None], ...] = (
    allow_what_is_not_ours,
    leave_to_the_start_hook,
    leave_to_cluster_api,
    refuse_while_nobody_can_be_served,
    refuse_a_name_that_is_taken,
    refuse_addresses_of_others,
    leave_alone_in_a_dry_run,
    give_addresses,
)


def _slots(
    observed: AdmissionObserved, there: Sequence[JsonObject], config: HookConfig
) -> tuple[dict[Slot, Address], Reserve]:
    """What each slot gets, and what must be reserved before it is given."""
    literal = {
        one: slot_name(index, 4 if one.family is Family.IPV4 else 6)
        for index, device in enumerate(there)
        for one in addresses_of_device(device)
    }
    used = [one for one in observed.reserved if one.address in literal]
    given: dict[Slot, Address] = {}
    missing: list[Slot] = []
    for slot in slots_of(there, config):
        if any(slot.is_of_family(one) for one in addresses_of_device(there[slot.device])):
            continue
        found = next((one for one in observed.reserved if _is_for(one, slot, literal)), None)
        if found is not None:
            used.append(found)
            given[slot] = found.address
        elif slot in observed.preview:
            given[slot] = observed.preview[slot]
        else:
            missing.append(slot)
    if observed.request.dry_run:
        return given, Reserve(slots=tuple(missing))
    again = tuple(one for one in used if not _is_of_request(one, observed.request))
    named = tuple((literal[one], one) for one in sorted(observed.unowned & literal.keys(), key=str))
    return given, Reserve(again, named, tuple(missing))


def _is_for(record: Record, slot: Slot, literal: Mapping[Address, str]) -> bool:
    """Whether a reservation is for this slot, and no device has its address already."""
    owner = record.owner
    return (
        owner is not None
        and owner.slot == slot.name
        and slot.fits(record.address)
        and record.address not in literal
    )


def _is_of_request(record: Record, request: AdmissionRequest) -> bool:
    reservation = record.owner.reservation if record.owner else None
    return reservation is not None and reservation.request == request.uid


def _lacking(observed: AdmissionObserved, missing: Sequence[Slot]) -> str:
    """Why there are too few addresses; ``""`` = there are enough."""
    for one, count in Counter(slot.range for slot in missing).items():
        pool = observed.supply[pool_key(one.version)]
        if pool.free < count:
            message = f"no static address: {count} of {one.cidr} needed, {pool.free} free"
            return message + until(observed.now, pool.next_free)
    return ""


def _named(observed: AdmissionObserved) -> dict[str, Any]:
    """The Machine with its name, as it will be."""
    machine = dict(observed.machine)
    return machine | {"metadata": {**as_map(machine.get("metadata")), "name": observed.name}}


def _devices(observed: AdmissionObserved) -> Sequence[JsonObject]:
    """Its devices; none where something else stands there, which another rule refuses."""
    try:
        return devices_to_address(observed.machine)
    except MachineError:
        return ()


def unavailable(problem: str) -> Denied:
    """Whoever asks again may be served."""
    message = f"no static address can be given now: {problem}; try again"
    return Denied(message, 503, "ServiceUnavailable")


def _invalid(message: str) -> Denied:
    return Denied(message, 422, "Invalid")
