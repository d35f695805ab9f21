"""The provider protocol for public IP addresses of Azure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from moorage_provider.base import SdkProvider
from moorage_provider.errors import MachineNotFound, Unsupported
from moorage_provider.options import timeout_seconds
from moorage_provider.protocol import (
    Capabilities,
    CloudAddress,
    Labels,
    Machine,
    MachineHolder,
    Pace,
    PendingMutation,
)
from moorage_provider_azure import binding, fitness, identity, settings

if TYPE_CHECKING:
    from moorage_provider_azure.arm import Arm

# More threads than the writes that Azure refills each second (10) gain nothing.
THREADS = 8

PACE = Pace(800, 300.0)
"""Network takes 1,000 writes in five minutes of a subscription and region: others write, too.

https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
"""

VARIABLES = settings.VARIABLES
"""The variables with our prefix that are read here; any other is refused at the start."""


def create(options: Mapping[str, str]) -> AzureProvider:
    """Make the provider; nothing is loaded or called yet. Raises ``InvalidOptions``.

    Args:
        options: ``region`` (else the whole subscription) and ``timeout_seconds``. All else is
            read from the environment at the first call.
    """
    return AzureProvider(options.get("region", ""), timeout_seconds(options))


class AzureProvider(SdkProvider["Arm"]):
    """One Azure subscription, or one region of it; see ``moorage_provider.protocol.Provider``."""

    name = "azure"
    cloud = "Azure"
    capabilities = Capabilities(moves_in_one_call=False, clears_target_first=False, pace=PACE)
    threads = THREADS

    def __init__(self, region: str, timeout_seconds: float) -> None:
        super().__init__(region.replace(" ", "").lower(), timeout_seconds)

    def machine_id(self, provider_id: str) -> str | None:
        return identity.machine_id(provider_id)

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        async with self._within("the lists of public addresses"):
            found = await self._sdk.run(lambda arm: binding.snapshot(arm, addresses, selectors))
        return {ip: address for ip, address in found.items() if self._is_here(address.location)}

    async def machine(self, machine_id: str) -> Machine:
        async with self._within(f"virtualMachines.get of {machine_id}"):
            machine = await self._sdk.run(lambda arm: binding.machine(arm, machine_id))
        if not self._is_here(machine.location):
            raise MachineNotFound(f"{machine_id} is in {machine.location}, not in {self._region}")
        return machine

    def check(self, address: CloudAddress, machine: Machine) -> str | None:
        return fitness.refusal(address, machine)

    async def prepare(
        self,
        address: CloudAddress,  # noqa: ARG002 - Azure lends no addresses: nothing is in the way
        machine: Machine,  # noqa: ARG002 - see above
        request_id: str,  # noqa: ARG002 - see above
    ) -> PendingMutation:
        return PendingMutation()

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        self._announce("attach", address.ip, machine.machine_id, request_id)
        async with self._within(f"networkInterfaces.createOrUpdate for {address.ip}"):
            return await self._sdk.change(lambda arm: binding.attach(arm, address, machine))

    async def move(
        self,
        address: CloudAddress,  # noqa: ARG002 - there is none
        machine: Machine,  # noqa: ARG002 - see above
        request_id: str,  # noqa: ARG002 - see above
    ) -> PendingMutation:
        raise Unsupported("Azure moves an address in two steps: detach it, then attach it")

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        holder = address.holder
        if isinstance(holder, MachineHolder):
            self._announce("detach", address.ip, holder.machine_id, request_id)
        async with self._within(f"networkInterfaces.createOrUpdate for {address.ip}"):
            return await self._sdk.change(lambda arm: binding.detach(arm, address))

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:  # noqa: ARG002 - nothing was taken
        return PendingMutation()

    async def poll(self, handle: str) -> PendingMutation:
        reading = self._sdk.run(lambda arm: binding.operation(arm, handle))
        return await self._state("operations.get", reading)

    def _is_here(self, location: str) -> bool:
        return not self._region or location in ("", self._region)

    def _connect(self) -> Arm:
        from moorage_provider_azure.arm import Arm  # noqa: PLC0415 - azure loads for 0.5 s, not on the event loop

        return Arm(
            self._timeout_seconds,
            self._check_fence,
            self._report_call,
        )
