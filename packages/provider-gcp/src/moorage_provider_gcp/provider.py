"""The provider protocol for external addresses of Compute Engine."""

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
    PendingMutation,
)
from moorage_provider_gcp import binding, fitness, identity, reservations, settings
from moorage_provider_gcp.places import Places

if TYPE_CHECKING:
    from moorage_provider_gcp.compute import Compute

THREADS = 32
"""For reads, and as many for changes and the waits for them."""

VARIABLES = settings.VARIABLES
"""The variables with our prefix that are read here; any other is refused at the start."""


def create(options: Mapping[str, str]) -> GcpProvider:
    """Make the provider; nothing is loaded or called yet. Raises ``InvalidOptions``.

    Args:
        options: ``region`` (else all of the project) and ``timeout_seconds``. All else is read
            from the environment at the first call.
    """
    return GcpProvider(settings.region(options.get("region", "")), timeout_seconds(options))


class GcpProvider(SdkProvider["Compute"]):
    """One project, or one region of it; see ``moorage_provider.protocol.Provider``."""

    name = "gcp"
    cloud = "GCP"
    capabilities = Capabilities(moves_in_one_call=False, clears_target_first=True)
    threads = THREADS

    def __init__(self, region: str, timeout_seconds: float) -> None:
        super().__init__(region, timeout_seconds)
        self._places = Places()

    def machine_id(self, provider_id: str) -> str | None:
        return identity.machine_id(provider_id)

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        async with self._within("the list of addresses"):
            found = await self._sdk.run(
                lambda gce: reservations.snapshot(gce, addresses, self._region, selectors)
            )
            return await self._sdk.run(
                lambda gce: self._places.shown(found, lambda one: binding.beside(gce, one))
            )

    async def machine(self, machine_id: str) -> Machine:
        vm = identity.instance(machine_id)
        if vm and self._region not in ("", vm.region):
            raise MachineNotFound(f"{machine_id} is not in {self._region}")
        async with self._within(f"instances.get of {machine_id}"):
            return await self._sdk.run(lambda gce: binding.machine(gce, machine_id))

    def check(self, address: CloudAddress, machine: Machine) -> str | None:
        return fitness.refusal(address, machine)

    async def prepare(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        self._announce("prepare for", address.ip, machine.machine_id, request_id)
        async with self._within(f"instances.deleteAccessConfig of {machine.machine_id}"):
            return _accepted(
                await self._sdk.change(
                    lambda gce: binding.prepare(gce, address, machine, request_id)
                )
            )

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        self._announce("attach", address.ip, machine.machine_id, request_id)
        async with self._within(f"instances.addAccessConfig for {address.ip}"):
            handle = await self._sdk.change(
                lambda gce: binding.attach(gce, address, machine, request_id)
            )
        self._places.put(address.ip, machine.machine_id)
        return _accepted(handle)

    async def move(
        self,
        address: CloudAddress,  # noqa: ARG002 - there is none
        machine: Machine,  # noqa: ARG002 - see above
        request_id: str,  # noqa: ARG002 - see above
    ) -> PendingMutation:
        raise Unsupported("Google moves an address in two steps: detach it, then attach it")

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        if isinstance(address.holder, MachineHolder):
            self._announce("detach", address.ip, address.holder.machine_id, request_id)
            self._places.taken(address.ip, address.holder.machine_id)
        async with self._within(f"instances.deleteAccessConfig for {address.ip}"):
            return _accepted(
                await self._sdk.change(lambda gce: binding.detach(gce, address, request_id))
            )

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        self._announce("restore the ephemeral address of", "", machine.machine_id, request_id)
        async with self._within(f"instances.addAccessConfig to {machine.machine_id}"):
            return _accepted(
                await self._sdk.change(lambda gce: binding.restore(gce, machine, request_id))
            )

    async def poll(self, handle: str) -> PendingMutation:
        # It waits in its thread for as long as Google does: no read may stand behind it.
        reading = self._sdk.change(lambda gce: gce.is_done(handle))
        done = await self._state("zoneOperations.wait", reading)
        return _accepted("" if done else handle)

    def _connect(self) -> Compute:
        from moorage_provider_gcp.compute import Compute  # noqa: PLC0415 - the SDK loads for a second, not on the event loop

        return Compute(
            self._timeout_seconds,
            self._check_fence,
            self._report_call,
        )


def _accepted(handle: str) -> PendingMutation:
    return PendingMutation(handle, done=not handle)
