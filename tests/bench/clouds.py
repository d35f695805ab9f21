"""The measured clouds: the details of their APIs, and their targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

CHANGE_SECONDS = 2.0
"""How long a change takes in a slow cloud."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as a cloud spells it: HTTP status and code."""

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
        target_read: the operation that reads the target before the first change of a move; ``""`` =
            it is read only after that.
        change: regular expression over the operations that an address is moved with.
        changes: mutations until an address that moves is bound again.
        emulator: class in ``moorage_testing.clouds.<name>``.
        throttles: its refusal of calls that come too fast.
        denies: its refusal of calls without the right.
        fails: its internal error.
        failover_seconds: how long half of 500 addresses may take to fail over at once.
        bare_changes: the same where the target has no ephemeral address; 0 = no difference.
        gives: the operation that also restores a node's ephemeral address; ``""``: the cloud
            restores it by itself, or never.
        reserved: its parameter for a reserved address; without it, the address is ephemeral.
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
    target_read: str = ""
    bare_changes: int = 0
    gives: str = ""
    reserved: str = ""
    accepts_operations: bool = True

    def most_reads(self, nodes: int) -> int:
        """Reads that one resync may take."""
        if not self.machines_on_a_page:
            return self.reads
        return self.reads + math.ceil(nodes / self.machines_on_a_page)

    def restores(self, op: str, params: Mapping[str, str]) -> bool:
        """Whether a call restores a node's ephemeral address."""
        return op == self.gives and self.reserved not in params

    @property
    def whole_move_seconds(self) -> float:
        """How long a move may take where each of its changes takes ``CHANGE_SECONDS``."""
        return self.changes * CHANGE_SECONDS + 3.0


AWS = Cloud(
    name="aws",
    title="EC2",
    reads=3,
    target_read="DescribeInstances",
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
    target_read=r"instances\.get",
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
