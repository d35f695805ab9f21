"""The provider protocol for Elastic IPs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from moorage_provider.base import SdkProvider
from moorage_provider.errors import (
    AddressNotFound,
    InUse,
    Stale,
)
from moorage_provider.holders import held
from moorage_provider.options import timeout_seconds
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
from moorage_provider.rows import certain, selected_by, text_of, understood
from moorage_provider_aws import fitness, mapping
from moorage_provider_aws.identity import instance_id
from moorage_provider_aws.routes import Routes

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import AddressTypeDef

    from moorage_provider_aws.ec2 import Ec2

# EC2 takes 200 values in one filter.
ADDRESSES_PER_READ = 200
THREADS = 32
"""For reads, and as many for changes."""
_IN_USE = "Resource.AlreadyAssociated"
MOST_INSTANCES = 16_384
"""Of which it is known where their own private address is; then all are forgotten."""

VARIABLES: tuple[str, ...] = ()
"""The variables with our prefix that are read here; any other is refused at the start."""


def create(options: Mapping[str, str]) -> AwsProvider:
    """Make the provider; nothing is loaded or called yet. Raises ``InvalidOptions``.

    Args:
        options: ``region`` (else AWS_REGION and boto3's own sources) and ``timeout_seconds``.
    """
    return AwsProvider(options.get("region", ""), timeout_seconds(options))


class AwsProvider(SdkProvider["Ec2"]):
    """One region of one AWS account; see ``moorage_provider.protocol.Provider``."""

    name = "aws"
    cloud = "EC2"
    capabilities = Capabilities(moves_in_one_call=True, clears_target_first=False)
    threads = THREADS

    def __init__(self, region: str, timeout_seconds: float) -> None:
        super().__init__(region, timeout_seconds)
        self._own: dict[str, mapping.Place] = {}
        self._routes = Routes()

    def machine_id(self, provider_id: str) -> str | None:
        return instance_id(provider_id)

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        # An Elastic IP is an IPv4 address: EC2 has no reservation for any other, so those are
        # certainly absent and must not make the read of the rest fail.
        wanted = tuple(ip for ip in addresses if ":" not in ip)
        async with self._within("DescribeAddresses"):
            if not wanted:
                await self._sdk.run(lambda _: None)
            rows = await self._selected_rows(selectors)
            found = {text_of(row, mapping.ip) for row in rows}
            rows += await self._wanted_rows([ip for ip in wanted if ip not in found])
            await self._learn_places(set(map(mapping.instance_of, rows)))
        selected = selected_by(selectors, mapping.labels)
        return understood(rows, wanted, mapping.ip, self._address, selected)

    async def machine(self, machine_id: str) -> Machine:
        async with self._within(f"DescribeInstances of {machine_id}"):
            machine = await self._described(machine_id)
            if machine.public_ip or not machine.subnet:
                # Somebody has seen to it that it can have one.
                return machine
            place = machine.subnet, machine.vpc
            dead_end = await self._sdk.run(lambda ec2: self._routes.dead_end(ec2, *place))
            return replace(machine, dead_end=dead_end)

    def check(self, address: CloudAddress, machine: Machine) -> str | None:
        if isinstance(machine, mapping.AwsMachine) and (refusal := fitness.refusal(machine)):
            return refusal
        if "" in (address.location, machine.location) or address.location == machine.location:
            return None
        return (
            f"{address.ip} belongs to the network border group {address.location},"
            f" instance {machine.machine_id} is in {machine.location}"
        )

    async def prepare(
        self,
        address: CloudAddress,  # noqa: ARG002 - EC2 replaces an ephemeral address itself
        machine: Machine,  # noqa: ARG002 - see above
        request_id: str,  # noqa: ARG002 - see above
    ) -> PendingMutation:
        return PendingMutation()

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        self._announce("attach", address.ip, machine.machine_id, request_id)
        self._learn(machine)
        async with self._within(f"AssociateAddress of {address.ip}"):
            try:
                await self._associate(address, machine, reassociate=False)
            except (InUse, AddressNotFound) as refusal:
                await self._judge(refusal, address, machine)
        return PendingMutation()

    async def move(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        self._learn(machine)
        async with self._within(f"AssociateAddress of {address.ip}"):
            # The call below would silently displace an address, so the target is read as late as
            # possible.
            now, others = await asyncio.gather(
                self._reread(address), self._others_on(machine, address)
            )
            if _is_on(now, machine):
                return PendingMutation()
            if now.token != address.token:
                raise Stale(f"{address.ip} has changed hands since it was read", "AssociationId")
            if isinstance(now.holder, OtherHolder | UnknownHolder):
                raise held(now, _IN_USE)
            _refuse_occupied(address, machine, others)
            self._announce("move", address.ip, machine.machine_id, request_id)
            await self._associate(address, machine, reassociate=True)
        return PendingMutation()

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        if address.holder is None:
            return PendingMutation()
        if isinstance(address.holder, OtherHolder | UnknownHolder):
            raise held(address, _IN_USE)
        self._announce("detach", address.ip, address.holder.machine_id, request_id)
        async with self._within(f"DisassociateAddress of {address.ip}"):
            try:
                await self._sdk.change(lambda ec2: ec2.disassociate(address.token))
            except Stale:
                # This association is over, and a later one is not ours. A read that still shows the
                # old one is only outdated.
                now = await self._reread(address)
                if now.token not in ("", address.token):
                    raise
        return PendingMutation()

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        # EC2 lends an address by itself only while the instance has one interface and no Elastic IP
        # on a secondary private address; CNIs add both as pods come.
        async with self._within(f"ModifyNetworkInterfaceAttribute of {machine.interface_id}"):
            now = await self._described(machine.machine_id)
            if not now.public_ip:
                self._announce("restore an address of its own", "", now.machine_id, request_id)
                await self._sdk.change(lambda ec2: ec2.assign_public_ip(now.interface_id))
        return PendingMutation()

    async def poll(self, handle: str) -> PendingMutation:
        raise Stale(f'EC2 has no operation "{handle}": its changes are done when they are answered')

    async def _described(self, machine_id: str) -> mapping.AwsMachine:
        def read(ec2: Ec2) -> mapping.AwsMachine:
            row = ec2.instance(machine_id)
            zone = row["Placement"].get("AvailabilityZone", "")
            return mapping.machine(row, ec2.border_group(zone))

        machine = await self._sdk.run(read)
        self._learn(machine)
        return machine

    async def _associate(
        self, address: CloudAddress, machine: Machine, *, reassociate: bool
    ) -> None:
        await self._sdk.change(
            lambda ec2: ec2.associate(
                address.reference,
                machine.interface_id,
                machine.private_ip,
                reassociate=reassociate,
            )
        )

    async def _judge(
        self, refusal: InUse | AddressNotFound, address: CloudAddress, machine: Machine
    ) -> None:
        """Read why an attachment was refused; return when the address is already attached."""
        now = await self._reread(address)
        if _is_on(now, machine):
            return
        if isinstance(refusal, AddressNotFound):
            # One half of the API describes it, the other does not know it yet: just allocated.
            raise Stale(refusal.message, refusal.code) from refusal
        if isinstance(now.holder, MachineHolder) and now.holder.machine_id == machine.machine_id:
            raise Stale(f"{now.ip} is on {now.holder.misplaced} by now", refusal.code) from refusal
        if now.holder is not None:
            raise held(now, _IN_USE) from refusal
        _refuse_occupied(address, machine, await self._others_on(machine, address))
        raise Stale(
            f"EC2 refuses {address.ip} as in use but describes nobody who has it yet", refusal.code
        ) from refusal

    async def _reread(self, address: CloudAddress) -> CloudAddress:
        """The address as it is now. Raises ``AddressNotFound``, ``Stale``."""
        rows = await self._rows({"allocation-id": (address.reference,)})
        return certain(understood(rows, (address.ip,), mapping.ip, self._address), address)

    async def _others_on(self, machine: Machine, address: CloudAddress) -> list[str]:
        """The other Elastic IPs, at most one, on a machine's own private address now."""
        rows = await self._rows(
            {
                "network-interface-id": (machine.interface_id,),
                "private-ip-address": (machine.private_ip,),
            }
        )
        others = (row for row in rows if row.get("AllocationId") != address.reference)
        return [mapping.name_of(row) for row in others]

    def _address(self, row: AddressTypeDef) -> CloudAddress:
        return mapping.address(row, self._own)

    async def _selected_rows(self, selectors: Collection[Labels]) -> list[AddressTypeDef]:
        """The rows that these select, and perhaps more: EC2 takes an asterisk for any text."""
        filters = [{f"tag:{name}": (value,) for name, value in one} for one in selectors]
        answers = await asyncio.gather(*map(self._rows, filters))
        return [row for answer in answers for row in answer]

    async def _wanted_rows(self, wanted: Sequence[str]) -> list[AddressTypeDef]:
        """The rows of these addresses, by a filter; all are listed where it does not find one.

        It finds neither a customer's address nor a row with another text than is expected, so it
        does not say that an address is absent.
        """
        chunks = [
            wanted[start : start + ADDRESSES_PER_READ]
            for start in range(0, len(wanted), ADDRESSES_PER_READ)
        ]
        answers = await asyncio.gather(*(self._rows({"public-ip": chunk}) for chunk in chunks))
        rows = [row for answer in answers for row in answer]
        if missing := set(wanted) - {text_of(row, mapping.ip) for row in rows}:
            every = await self._rows({})
            rows += [row for row in every if text_of(row, mapping.ip) in {None, *missing}]
        return rows

    async def _learn_places(self, instance_ids: Collection[str]) -> None:
        """Read where the node's own private address is, once an instance: it never changes.

        An instance that EC2 does not describe yet is asked for again at the next read.
        """
        unknown = sorted(set(instance_ids) - {""} - self._own.keys())
        chunks = [
            unknown[start : start + ADDRESSES_PER_READ]
            for start in range(0, len(unknown), ADDRESSES_PER_READ)
        ]
        for chunk in chunks:
            rows = await self._sdk.run(lambda ec2, chunk=chunk: ec2.instances(chunk))  # type: ignore[misc]  # bound now
            for row in rows:
                self._own[row["InstanceId"]] = mapping.own_place(row)

    def _learn(self, machine: Machine) -> None:
        """What was read of a machine says the same."""
        if len(self._own) > MOST_INSTANCES:
            self._own.clear()
        self._own[machine.machine_id] = machine.interface_id, machine.private_ip

    async def _rows(self, filters: Mapping[str, Sequence[str]]) -> list[AddressTypeDef]:
        return await self._sdk.run(lambda ec2: ec2.addresses(filters))

    def _connect(self) -> Ec2:
        from moorage_provider_aws.ec2 import Ec2, Settings  # noqa: PLC0415 - boto3 loads for 0.3 s, not on the event loop

        settings = Settings(self._region, self._timeout_seconds, 2 * THREADS)
        return Ec2(settings, self._check_fence, self._report_call)


def _is_on(address: CloudAddress, machine: Machine) -> bool:
    """Whether a machine has the address, on the node's own private one."""
    holder = address.holder
    return (
        isinstance(holder, MachineHolder)
        and holder.machine_id == machine.machine_id
        and not holder.misplaced
    )


def _refuse_occupied(address: CloudAddress, machine: Machine, others: Sequence[str]) -> None:
    """Raise ``InUse`` when the target holds another reserved address, which must stay."""
    before = machine.public_ip if machine.public_ip_reserved else ""
    other = next(iter(others), "" if before == address.ip else before)
    if other:
        text = f"{machine.machine_id} already holds {other}"
        raise InUse(text, _IN_USE, other)
