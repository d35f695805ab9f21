"""The rules of the memory cloud: which mutations it refuses, makes at once or makes later."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from moorage_provider.errors import Denied, InUse, Locked, MachineUnfit, Stale, Unsupported
from moorage_provider.protocol import (
    Capabilities,
    CloudAddress,
    Labels,
    Machine,
    MachineHolder,
    OtherHolder,
    PendingMutation,
    UnknownHolder,
)
from moorage_provider.rows import fits, labels_of
from moorage_testing.clouds.memory.world import World
from moorage_testing.faults import FaultBook

ONE_CALL = Capabilities(moves_in_one_call=True, clears_target_first=False)
"""As on AWS."""
TWO_STEPS = Capabilities(moves_in_one_call=False, clears_target_first=True)
"""As on GCP."""

# A decision about a mutation: what it would change now, None = the effect is already there.
# It raises CloudError where the cloud refuses.
Effect = Callable[[], None]
Ruling = Callable[[], Effect | None]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A requested change.

    Attributes:
        op: the provider's name for it.
        subjects: the address and machine it works on; locked while it is under way.
        ruling: decides at its start and again at its end.
    """

    op: str
    subjects: frozenset[str]
    ruling: Ruling


@dataclass(slots=True)
class _UnderWay:
    mutation: Mutation
    steps_left: int
    late_error: Exception | None


class MemoryCloud:
    """Machines and reserved addresses with a real cloud's rules, changed by calls or by tests.

    Time is counted in calls: an operation under way advances by one step with every call of any
    provider, so that a repeated run is the same.

    Attributes:
        faults: the injected faults, and the log of calls.
        mutations: the changes that took effect through calls, in order: (op, subjects).
        after_mutation: called after each of these; its exception reaches the caller unchanged, so a
            test can end a controller there.
        latency_seconds: how long every call takes.
        credentials_expiring: what its providers report about their credentials.
        poll_after: how many seconds it asks to wait for a mutation that it has accepted.
    """

    def __init__(
        self,
        capabilities: Capabilities = ONE_CALL,
        *,
        operation_steps: int = 0,
        frees_on_termination: bool = True,
        latency_seconds: float = 0.0,
    ) -> None:
        """Make an empty cloud.

        Args:
            capabilities: how it moves addresses.
            operation_steps: calls until an accepted mutation takes effect, 0 = at once.
            frees_on_termination: an address leaves a machine that is terminated (AWS, GCP) or
                stays with its interface (Azure).
            latency_seconds: how long every call takes.
        """
        self.capabilities = capabilities
        self.faults = FaultBook()
        self.mutations: list[tuple[str, frozenset[str]]] = []
        self.after_mutation: Callable[[str], None] | None = None
        self.latency_seconds = latency_seconds
        self.credentials_expiring = False
        self.poll_after = 0.0
        self._steps = operation_steps
        self._frees = frees_on_termination
        self._world = World(restores_ephemeral=not capabilities.clears_target_first)
        self._under_way: dict[str, _UnderWay] = {}
        self._ended: dict[str, Exception | None] = {}
        self._spoiled: set[str] = set()
        self._confusing: set[str] = set()
        self._may_have_addresses: frozenset[str] | None = None

    # Direct changes by a test; never logged as calls.

    def add_machine(
        self, machine_id: str, *, location: str = "", cluster: str = "", with_public_ip: bool = True
    ) -> str:
        """Add a running machine; return the ``spec.providerID`` of its node."""
        machine = Machine(machine_id, "", "", running=True, location=location, cluster=cluster)
        self._world.add_machine(machine, with_public_ip=with_public_ip)
        return self.provider_id(machine_id)

    def add_address(
        self, ip: str, *, location: str = "", labels: Mapping[str, str] | None = None
    ) -> None:
        """Reserve an address."""
        self._world.add_address(ip, location)
        self.label(ip, labels or {})

    def label(self, ip: str, labels: Mapping[str, str]) -> None:
        """Give a reservation these labels, and no others."""
        self._world.label(ip, labels_of(labels))

    def spoil(self, ip: str, *, spoiled: bool = True) -> None:
        """Describe an address in a way that nobody understands, or not any more."""
        (self._spoiled.add if spoiled else self._spoiled.discard)(ip)

    def remove_address(self, ip: str) -> None:
        """Release a reservation."""
        self._spoiled.discard(ip)
        self._world.remove_address(ip)

    def terminate(self, machine_id: str) -> None:
        """Delete a machine."""
        self._world.remove_machine(machine_id, frees_address=self._frees)

    def take_ipv4(self, machine_id: str) -> None:
        """Leave a machine with IPv6 only."""
        self._world.take_ipv4(machine_id)

    def confuse(self, machine_id: str) -> None:
        """Describe a machine in a way that makes the provider fail by a bug."""
        self._confusing.add(machine_id)

    def add_interface(self, machine_id: str) -> None:
        """Attach a second interface to a machine, as a CNI does for its pods."""
        self._world.vm(machine_id).interfaces += 1

    def restrict_addresses(self, *machine_ids: str) -> None:
        """Let a policy of the organisation forbid public addresses to all but these machines."""
        self._may_have_addresses = frozenset(machine_ids)

    def end_restrictions(self) -> None:
        """Let every machine have a public address."""
        self._may_have_addresses = None

    def set_running(self, machine_id: str, *, running: bool) -> None:
        """Start or stop a machine."""
        self._world.set_running(machine_id, running=running)

    def assign(self, ip: str, holder: str | OtherHolder | None) -> None:
        """Change the holder of an address directly: a machine's id, something else or nobody."""
        as_machine = MachineHolder(holder) if isinstance(holder, str) else holder
        self._world.assign(ip, as_machine)

    def assign_beside(self, ip: str, machine_id: str) -> None:
        """Give an address to a machine on a second interface."""
        self.add_interface(machine_id)
        beside = MachineHolder(machine_id, f"nic-{machine_id}-2", f"interface nic-{machine_id}-2")
        self._world.assign(ip, beside)

    def holder(self, ip: str) -> MachineHolder | OtherHolder | UnknownHolder | None:
        """Who has an address, without a call."""
        return self._world.address(ip).holder

    @property
    def holders(self) -> dict[str, MachineHolder | OtherHolder | UnknownHolder | None]:
        """Who has which address, without a call."""
        return {ip: address.holder for ip, address in self._world.addresses.items()}

    @property
    def machine_ids(self) -> tuple[str, ...]:
        """All machines there are."""
        return self._world.machine_ids

    def machine(self, machine_id: str) -> Machine:
        """One machine as it is now. Raises ``MachineNotFound``, and a bug; see ``confuse``."""
        if machine_id in self._confusing:
            raise KeyError(machine_id)
        return self._world.machine(machine_id)

    @property
    def under_way(self) -> tuple[str, ...]:
        """The handles of the operations that have not ended."""
        return tuple(self._under_way)

    @staticmethod
    def provider_id(machine_id: str) -> str:
        """How a node names this machine in ``spec.providerID``."""
        return f"memory://{machine_id}"

    # Calls of the provider.

    def snapshot(
        self, ips: Collection[str], selectors: Collection[Labels] = ()
    ) -> dict[str, CloudAddress]:
        """The addresses of these that exist, and those that are selected."""
        known = self._world.addresses
        spoiled = UnknownHolder("the cloud describes it in a way that is not understood")
        # Of a row that is not understood nobody knows the labels.
        more = (ip for ip, one in known.items() if fits(one.labels or frozenset(), selectors))
        selected = [ip for ip in more if ip not in self._spoiled] if selectors else []
        return {
            ip: replace(known[ip], holder=spoiled, labels=None)
            if ip in self._spoiled
            else known[ip]
            for ip in (*ips, *selected)
            if ip in known
        }

    def step(self) -> None:
        """Let the operations under way advance; called once a call."""
        for handle, one in tuple(self._under_way.items()):
            one.steps_left -= 1
            if one.steps_left <= 0:
                self._end(handle, one)

    def start(self, mutation: Mutation, late_error: Exception | None = None) -> PendingMutation:
        """Decide about a mutation; do it now or, where operations take steps, begin it."""
        if any(mutation.subjects & one.mutation.subjects for one in self._under_way.values()):
            subjects = ", ".join(sorted(mutation.subjects))
            raise Locked(f"another operation is under way on {subjects}", "Locked", None)
        effect = mutation.ruling()
        if effect is None:
            return PendingMutation()
        if self._steps == 0 and late_error is None:
            self._do(mutation, effect)
            return PendingMutation()
        handle = f"op-{len(self._under_way) + len(self._ended) + 1}"
        self._under_way[handle] = _UnderWay(mutation, max(self._steps, 1), late_error)
        return PendingMutation(handle, done=False, poll_after=self.poll_after)

    def poll(self, handle: str) -> PendingMutation:
        """Read a mutation that was begun; raises the operation's error."""
        if handle in self._under_way:
            return PendingMutation(handle, done=False)
        if handle and handle not in self._ended:
            raise Stale(f"there is no operation {handle}: read the addresses again", "NoSuchOp")
        error = self._ended.get(handle)
        if error is not None:
            raise error
        return PendingMutation(handle)

    def attaching(self, address: CloudAddress, machine: Machine) -> Mutation:
        """Give an address nobody holds to a machine."""
        subjects = frozenset({address.ip, machine.machine_id})
        return Mutation("attach", subjects, lambda: self._rule_attach(address, machine))

    def moving(self, address: CloudAddress, machine: Machine) -> Mutation:
        """Take an address from the holder it was read with to a machine."""
        subjects = frozenset({address.ip, machine.machine_id})
        return Mutation("move", subjects, lambda: self._rule_move(address, machine))

    def detaching(self, address: CloudAddress) -> Mutation:
        """Take an address from the holder it was read with."""
        return Mutation("detach", frozenset({address.ip}), lambda: self._rule_detach(address))

    def preparing(self, machine: Machine) -> Mutation:
        """Take a machine's ephemeral public address away."""
        machine_id = machine.machine_id

        def rule() -> Effect | None:
            if (
                not self.capabilities.clears_target_first
                or not self._world.vm(machine_id).ephemeral_ip
            ):
                return None
            # As a provider must: what is to take its place would not come.
            self._check_policy(machine_id)
            return lambda: self._world.take_ephemeral(machine_id)

        return Mutation("prepare", frozenset({machine_id}), rule)

    def restoring(self, machine: Machine) -> Mutation:
        """Give a machine without any public address an ephemeral one."""
        machine_id = machine.machine_id

        def rule() -> Effect | None:
            has_one = self._world.machine(machine_id).public_ip
            lends = self.capabilities.clears_target_first or self.capabilities.moves_in_one_call
            if has_one or not lends:
                return None
            self._check_policy(machine_id)
            return lambda: self._world.give_ephemeral(machine_id)

        return Mutation("compensate", frozenset({machine_id}), rule)

    def _end(self, handle: str, one: _UnderWay) -> None:
        del self._under_way[handle]
        self._ended[handle] = one.late_error
        if one.late_error is not None:
            return
        try:
            # A test may have changed the state directly since the start.
            effect = one.mutation.ruling()
        except Exception as error:  # noqa: BLE001 - it is the operation's result, poll raises it
            self._ended[handle] = error
            return
        if effect is not None:
            self._do(one.mutation, effect)

    def _do(self, mutation: Mutation, effect: Effect) -> None:
        effect()
        self.mutations.append((mutation.op, mutation.subjects))
        if self.after_mutation is not None:
            self.after_mutation(mutation.op)

    def _rule_attach(self, address: CloudAddress, machine: Machine) -> Effect | None:
        now = self._world.address(address.ip)
        vm = self._world.vm(machine.machine_id)
        if _is_on(now, machine.machine_id):
            return None
        if now.holder is not None:
            raise _in_use(now)
        if vm.ephemeral_ip and self.capabilities.clears_target_first:
            raise InUse(
                f"{machine.machine_id} has the ephemeral address {vm.ephemeral_ip}: one public"
                " address an interface",
                "TargetInUse",
                vm.ephemeral_ip,
            )
        return self._assignment(now, machine.machine_id)

    def _rule_move(self, address: CloudAddress, machine: Machine) -> Effect | None:
        if not self.capabilities.moves_in_one_call:
            raise Unsupported("this cloud detaches before it attaches", "NoMove")
        now = self._world.address(address.ip)
        self._world.vm(machine.machine_id)
        if _is_on(now, machine.machine_id):
            return None
        _check_fence(now, address)
        return self._assignment(now, machine.machine_id)

    def _rule_detach(self, address: CloudAddress) -> Effect | None:
        now = self._world.address(address.ip)
        if now.holder is None:
            return None
        _check_fence(now, address)
        return lambda: self._world.assign(address.ip, None)

    def _check_policy(self, machine_id: str) -> None:
        if self._may_have_addresses is not None and machine_id not in self._may_have_addresses:
            text = f"a policy of the organisation lets {machine_id} have no public address"
            raise Denied(text, "Policy", "policies/public-addresses")

    def _assignment(self, now: CloudAddress, machine_id: str) -> Effect:
        self._check_policy(machine_id)
        held = self._world.held_by(machine_id)
        if held:
            raise InUse(f"{machine_id} already holds {held}", "TargetInUse", held)
        refusal = refuse(now, self._world.vm(machine_id).described)
        if refusal is not None:
            raise MachineUnfit(refusal, "WrongLocation")
        return lambda: self._world.assign(now.ip, MachineHolder(machine_id))


def refuse(address: CloudAddress, machine: Machine) -> str | None:
    """Why this machine can never hold the address; ``None`` = it can."""
    if ":" in machine.private_ip and ":" not in address.ip:
        return f"{address.ip} cannot be on {machine.machine_id}, which has IPv6 only"
    if "" in (address.location, machine.location) or address.location == machine.location:
        return None
    return (
        f"{address.ip} can be used in {address.location},"
        f" {machine.machine_id} is in {machine.location}"
    )


def _is_on(address: CloudAddress, machine_id: str) -> bool:
    holder = address.holder
    on_it = isinstance(holder, MachineHolder) and holder.machine_id == machine_id
    return on_it and isinstance(holder, MachineHolder) and not holder.misplaced


def _check_fence(now: CloudAddress, read: CloudAddress) -> None:
    if now.token != read.token:
        raise Stale(f"{now.ip} has changed hands since it was read", "TokenMismatch")
    if isinstance(now.holder, OtherHolder):
        raise _in_use(now)


def _in_use(now: CloudAddress) -> InUse:
    owner = "nobody"
    if isinstance(now.holder, MachineHolder):
        owner = now.holder.machine_id
    elif isinstance(now.holder, OtherHolder):
        owner = now.holder.description
    return InUse(f"{now.ip} is held by {owner}", "AddressInUse", owner)
