"""Whether a machine can ever hold an address, from what is known of both."""

from __future__ import annotations

from moorage_provider.protocol import CloudAddress, Machine
from moorage_provider_azure.identity import is_uniform
from moorage_provider_azure.mapping import AzureAddress

UNIFORM = (
    "instances of a Uniform scale set cannot be given a chosen address: Azure gives them one of"
    " a prefix at most, so use a Flexible scale set or single machines"
)


def refusal(address: CloudAddress, machine: Machine) -> str | None:
    """Why the machine cannot hold the address, in one sentence; ``None``: it can."""
    if is_uniform(machine.machine_id):
        return f"{address.ip} cannot be on {machine.machine_id}: {UNIFORM}"
    if "" not in (address.location, machine.location) and address.location != machine.location:
        return (
            f"{address.ip} belongs to the region {address.location},"
            f" {machine.machine_id} is in {machine.location}"
        )
    if not isinstance(address, AzureAddress):
        return None
    if address.unfit:
        return f"{address.ip} {address.unfit}"
    if machine.zone and address.zones and machine.zone not in address.zones:
        return (
            f"{address.ip} belongs to the availability zone {', '.join(address.zones)},"
            f" {machine.machine_id} is in zone {machine.zone}"
        )
    return None
