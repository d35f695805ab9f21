"""The clouds that are measured: how each one speaks, and what is promised of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

CHANGE_SECONDS = 2.0
"""What a change takes in a slow cloud."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of a cloud in its own words: HTTP status and code."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud and its targets.

    Attributes:
        name: as ``spec.cloud.provider`` has it.
        title: what its API is called.
        reads: the most reads of one resync, other than pages of machines.
        machines_on_a_page: where each resync must list machines as well; 0 = it must not.
        look: the operation that reads the target before the first change of a move; ``""`` = it
            is read only after that.
        change: regular expression over the operations that an address is moved with.
        changes: mutations until an address that moves is bound again.
        emulator: class in ``moorage_testing.clouds.<name>``.
        throttles: how it refuses what comes too fast.
        denies: how it refuses what the account may not do.
        fails: how it says that the fault is its own.
        failover_seconds: how long half of 500 addresses may take to fail over at once.
        bare_changes: the same where the target has no address of its own; 0 = all the same.
        gives: the operation that gives a node an address, where one of its own must be asked for
            as well; ``""`` = it comes by itself, or not at all.
        reserved: the parameter of it that names a reserved address; without it, one is lent.
        accepts_operations: changes go on after they were answered.
        sdk: the packages of its SDK, which must not be imported before they are needed.
        door: the provider's module that imports them.
    """

    name: str
    title: str
    reads: int
    change: str
    changes: int
    emulator: str
    throttles: Refusal
    denies: Refusal
    fails: Refusal
    failover_seconds: float
    sdk: tuple[str, ...]
    door: str
    machines_on_a_page: int = 0
    look: str = ""
    bare_changes: int = 0
    gives: str = ""
    reserved: str = ""
    accepts_operations: bool = True

    def most_reads(self, nodes: int) -> int:
        """Reads that one resync may take."""
        if not self.machines_on_a_page:
            return self.reads
        return self.reads + math.ceil(nodes / self.machines_on_a_page)

    def lends(self, op: str, params: Mapping[str, str]) -> bool:
        """Whether a call asks for an address of a node's own."""
        return op == self.gives and self.reserved not in params

    @property
    def whole_move_seconds(self) -> float:
        """How long a move may take where each of its changes takes ``CHANGE_SECONDS``."""
        return self.changes * CHANGE_SECONDS + 3.0


AWS = Cloud(
    name="aws",
    title="EC2",
    reads=3,
    look="DescribeInstances",
    change="AssociateAddress",
    changes=1,
    emulator="Ec2Emulator",
    throttles=Refusal(503, "RequestLimitExceeded"),
    denies=Refusal(403, "UnauthorizedOperation"),
    fails=Refusal(500, "InternalError"),
    failover_seconds=75.0,
    sdk=("boto3", "botocore"),
    door="moorage_provider_aws.ec2",
    accepts_operations=False,
)
GCP = Cloud(
    name="gcp",
    title="Compute Engine",
    reads=2,
    look=r"instances\.get",
    change=r"instances\.(add|delete)AccessConfig",
    changes=3,
    emulator="GceEmulator",
    throttles=Refusal(403, "rateLimitExceeded"),
    denies=Refusal(403, "forbidden"),
    fails=Refusal(503, "backendError"),
    failover_seconds=240.0,
    sdk=("google.api_core", "google.auth", "google.cloud"),
    door="moorage_provider_gcp.compute",
    bare_changes=2,
    gives="instances.addAccessConfig",
    reserved="natIP",
)
AZURE = Cloud(
    name="azure",
    title="Azure Resource Manager",
    # One list of addresses; the interfaces that hold them are listed, too.
    reads=1,
    machines_on_a_page=1000,
    change=r"networkInterfaces\.createOrUpdate",
    changes=2,
    emulator="ArmEmulator",
    throttles=Refusal(429, "TooManyRequests"),
    denies=Refusal(403, "AuthorizationFailed"),
    fails=Refusal(500, "InternalServerError"),
    # As for EC2, a fifth more than 20 workers need for changes of five seconds each.
    failover_seconds=150.0,
    sdk=("azure", "msal"),
    door="moorage_provider_azure.arm",
)
CLOUDS = {cloud.name: cloud for cloud in (AWS, GCP, AZURE)}
