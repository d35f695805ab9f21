"""The emulated EC2 as the cloud of the provider contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from moorage_testing.clouds.aws.emulator import Ec2Emulator
from moorage_testing.clouds.contract import EmulatedContractWorld
from moorage_testing.contract import CountedStep, FailingStep, Failure
from moorage_testing.faults import Fault

# A move reads the address and its target first; an attachment only when it is refused.
_CALLS: Mapping[CountedStep, tuple[int, int]] = {
    "snapshot": (1, 0),
    "machine": (2, 0),
    "attach": (0, 1),
    "move": (2, 1),
    "detach": (0, 1),
    "prepare": (0, 0),
    "restore": (1, 1),
}


class AwsContractWorld(EmulatedContractWorld[Ec2Emulator]):
    """``ContractWorld`` over an ``Ec2Emulator`` that is running."""

    operations: ClassVar[Mapping[FailingStep, str]] = {
        "snapshot": "DescribeAddresses",
        "machine": "DescribeInstances",
        "attach": "AssociateAddress",
        "move": "AssociateAddress",
        "detach": "DisassociateAddress",
    }
    calls = _CALLS
    refusals: ClassVar[Mapping[Failure, Fault]] = {
        Failure.THROTTLED: Fault(op="", status=503, code="RequestLimitExceeded"),
        Failure.FORBIDDEN: Fault(
            op="",
            status=403,
            code="UnauthorizedOperation",
            message="You are not authorized: an explicit deny in a service control policy",
        ),
        Failure.DENIED: Fault(op="", status=403, code="UnauthorizedOperation"),
    }

    def __init__(self, emulator: Ec2Emulator) -> None:
        secrets = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        super().__init__(emulator, tuple(emulator.environment[name] for name in secrets))

    def _reserve_elsewhere(self, ip: str) -> None:
        self._emulator.world.add_address(ip, border_group=f"{self._emulator.region}-wl1-lhr-wlz-1")
