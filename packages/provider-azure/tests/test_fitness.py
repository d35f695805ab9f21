"""Which machine can never hold which address, and the message that says why."""

from dataclasses import replace

import pytest

from moorage_provider.protocol import CloudAddress, Machine
from moorage_provider_azure.fitness import refusal
from moorage_provider_azure.mapping import AzureAddress

ADDRESS = AzureAddress("203.0.113.10", "ip-1", None, "", "westeurope")
MACHINE = Machine("vm-1", "nic-1", "10.0.0.4", running=True, location="westeurope", zone="1")


@pytest.mark.parametrize(
    ("address", "machine"),
    [
        (ADDRESS, MACHINE),
        (replace(ADDRESS, zones=("1", "2", "3")), MACHINE),
        (replace(ADDRESS, zones=("2",)), replace(MACHINE, zone="")),
        (replace(ADDRESS, location=""), MACHINE),
        (ADDRESS, replace(MACHINE, location="")),
        # As the core makes one when only its text is known.
        (CloudAddress("203.0.113.10", "ip-1", None), MACHINE),
    ],
)
def test_a_machine_that_fits_or_of_which_too_little_is_known_is_not_refused(
    address: CloudAddress, machine: Machine
) -> None:
    assert refusal(address, machine) is None


@pytest.mark.parametrize(
    ("address", "machine", "words"),
    [
        (replace(ADDRESS, location="eastus"), MACHINE, "region eastus, vm-1 is in westeurope"),
        (replace(ADDRESS, zones=("2",)), MACHINE, "availability zone 2, vm-1 is in zone 1"),
        (replace(ADDRESS, unfit="has the SKU Basic"), MACHINE, "has the SKU Basic"),
        (
            ADDRESS,
            replace(MACHINE, machine_id="/virtualmachinescalesets/pool/virtualmachines/0"),
            "Uniform scale set",
        ),
    ],
)
def test_a_machine_that_does_not_fit_is_refused_with_the_address(
    address: CloudAddress, machine: Machine, words: str
) -> None:
    reason = refusal(address, machine)
    assert reason is not None
    assert reason.startswith("203.0.113.10 ")
    assert words in reason
