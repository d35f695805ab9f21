"""Why an instance can never hold an address."""

from __future__ import annotations

from moorage_provider.protocol import CloudAddress, Machine
from moorage_provider_gcp.mapping import GcpAddress, GcpMachine


def refusal(address: CloudAddress, machine: Machine) -> str | None:
    """The reason in one sentence, ``None`` = it can."""
    where = f"instance {machine.machine_id}"
    if "" not in (address.location, machine.location) and address.location != machine.location:
        kind = "a global address" if address.location == "global" else f"of {address.location}"
        return f"{address.ip} is {kind}, {where} is in {machine.location}"
    if isinstance(address, GcpAddress) and address.unfit:
        return f"{address.ip} can be held by no instance: {address.unfit}"
    owner, holder = address.reference.split("/")[0], machine.machine_id.split("/")[0]
    if isinstance(address, GcpAddress) and owner != holder:
        return f"{address.ip} is of project {owner}, {where} of another one"
    if isinstance(machine, GcpMachine):
        reason = machine.no_ipv6 if ":" in address.ip else machine.no_ipv4
        if reason:
            return f"{address.ip} cannot be on the interface of {where}: {reason}"
    return None
