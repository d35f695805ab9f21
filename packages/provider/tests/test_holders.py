"""Who holds an address is said in the same words for every cloud."""

import pytest

from moorage_provider.holders import held
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder, UnknownHolder


@pytest.mark.parametrize(
    ("holder", "owner"),
    [
        (MachineHolder("i-1", "eni-1"), "i-1"),
        (OtherHolder("load balancer lb-1"), "load balancer lb-1"),
        (UnknownHolder("a row without a holder"), "a row without a holder"),
        (None, "somebody"),
    ],
)
def test_the_owner_is_named(
    holder: MachineHolder | OtherHolder | UnknownHolder | None, owner: str
) -> None:
    error = held(CloudAddress("192.0.2.1", "ref", holder), "InUse")
    assert (error.message, error.code) == (f"192.0.2.1 is held by {owner}", "InUse")
    assert error.owner == owner
