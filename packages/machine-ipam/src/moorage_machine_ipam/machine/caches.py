"""What is kept of all Machines, and the addresses that they name as long as they are there."""

from __future__ import annotations

from moorage_domain.families import Address
from moorage_ipam.records import Phase
from moorage_kube.cache.store import Change, Index, Store
from moorage_machine_ipam.caches import Caches, named_by_machine
from moorage_machine_ipam.machine.hook_config import HookConfig
from moorage_machine_ipam.machine.hook_pools import POOL_KEYS, pool_specs
from moorage_machine_ipam.machine.projections import Machine, machine_of
from moorage_machine_ipam.projections import gone_uid

MACHINE_KIND = "Machine"
_HELD = "held"


class MachineCaches:
    """The Machines, beside all that claims and pools are known by."""

    def __init__(self, base: Caches) -> None:
        self.base = base
        self.machines: Store[Machine] = Store(machine_of)
        self._by_address = Index(self.machines, lambda one: one.addresses)
        self._held = Index(self.machines, lambda one: (_HELD,) if one.start_hooks else ())
        self.waiting: dict[str, None] = {}
        """Keys of Machines that found too few addresses free; who came first is in front."""
        self.lost: dict[str, set[str]] = {}
        """Uids of Machines that are gone, by key: an address may have been bound to them."""
        self._networks: frozenset[str] = frozenset()
        self._named: dict[str, frozenset[tuple[str, Address]]] = {}
        self.machines.subscribe(self._machine_changed)
        # After the pools that follow from it were put or removed.
        base.pools.subscribe(lambda _: self._note_networks())

    @property
    def held(self) -> frozenset[str]:
        """Keys of Machines that any start hook holds."""
        return self._held.get(_HELD)

    def put_pools(self, config: HookConfig) -> None:
        """The ranges of a configuration can be given away, and those of the one before not."""
        specs = pool_specs(config)
        for key in POOL_KEYS:
            if key in specs:
                self.base.given.put(key, specs[key])
            else:
                self.base.given.remove(key)
        self._note_networks()

    def conflicts(self, machine: Machine) -> tuple[str, ...]:
        """Who else has an address that is written in the Machine's devices."""
        found = (
            self._conflict(machine, network, address)
            for network, address in sorted(self._named.get(machine.key, ()), key=str)
            if address in machine.literal
        )
        return tuple(filter(None, found))

    def _conflict(self, machine: Machine, network: str, address: Address) -> str:
        given = self.base.given
        for record in given.records_of(network, address):
            if record.owner and record.phase in (Phase.BOUND, Phase.RESERVED):
                mine = record.owner.identity in (
                    machine.subject.uid,
                    f"{MACHINE_KIND} {machine.key}",
                )
                return "" if mine else f"{address}, which it names, belongs to {record.owner}"
        if not any(pool.spec.network == network and pool.has(address) for _, pool in given.items()):
            return ""
        also = sorted(self._by_address.get(address) - {machine.key})
        return (
            f"{address}, which it names, is named by {named_by_machine(also[0])}, too"
            if also
            else ""
        )

    def _machine_changed(self, change: Change[Machine]) -> None:
        old, new = change.old, change.new
        if uid := gone_uid(old, new):
            self.lost.setdefault(change.key, set()).add(uid)
        if old is None or new is None or old.addresses != new.addresses:
            self._name(change.key, new)

    def _note_networks(self) -> None:
        """A network that is new, or gone, concerns every Machine; that is rare."""
        networks = frozenset(pool.spec.network for _, pool in self.base.given.items())
        if networks != self._networks:
            self._networks = networks
            for key, machine in self.machines.items():
                self._name(key, machine)

    def _name(self, key: str, machine: Machine | None) -> None:
        """A Machine names addresses: they are in use, whatever the records say.

        In which network it is nobody says: in all of them.
        """
        given, user = self.base.given, named_by_machine(key)
        before = self._named.pop(key, frozenset())
        addresses = machine.addresses if machine is not None else frozenset()
        now = frozenset((network, one) for network in self._networks for one in addresses)
        for network, address in now - before:
            given.use(network, address, user)
        for network, address in before - now:
            given.let_go(network, address, user)
        if now:
            self._named[key] = now
