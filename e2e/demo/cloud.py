"""The emulated EC2 in its own process, and how the demo looks at it: as any client of AWS would."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

CLUSTER = "demo"
START_SECONDS = 60.0
_CALL_SECONDS = 10.0
_PATIENCE = Config(
    connect_timeout=_CALL_SECONDS, read_timeout=_CALL_SECONDS, retries={"total_max_attempts": 1}
)


def forget_own_account() -> None:
    """Take every setting of AWS out of the environment: no call may reach a real account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


class Cloud:
    """EC2 with one instance for each node, and the addresses."""

    def __init__(self, process: Child, told: Mapping[str, Any]) -> None:
        """Take over an emulator that was just started; see ``start`` and ``wait``."""
        self.url: str = told["url"]
        self.region: str = told["region"]
        self.environment: Mapping[str, str] = told["environment"]
        self.instances: list[dict[str, str]] = told["instances"]
        self._process = process
        self._ec2: EC2Client = boto3.session.Session(
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.region,
        ).client("ec2", endpoint_url=self.url, config=_PATIENCE)

    @staticmethod
    def start(run: Run, nodes: int, addresses: tuple[str, ...]) -> Child:
        """Start the process; it takes a while to come up."""
        argv = [sys.executable, "-m", "moorage_testing.clouds.aws", "--cluster", CLUSTER]
        argv += ["--nodes", str(nodes), "--addresses", ",".join(addresses)]
        # It has nothing to put in order, so it is killed at once.
        return run.start(Command("ec2", argv, grace_seconds=0))

    @classmethod
    def wait(cls, process: Child) -> Self:
        """Return once it serves; raises ChildError or WaitTimeoutError."""
        line = wait_for(lambda: _first_line(process), START_SECONDS, "the EC2 emulator to serve")
        return cls(process, json.loads(line))

    def check(self) -> None:
        """Raise ChildError if the process has ended."""
        self._process.check()

    def holders(self) -> dict[str, str]:
        """The instance that has each address, ``""`` = none, as DescribeAddresses tells it."""
        rows = self._ec2.describe_addresses()["Addresses"]
        return {row["PublicIp"]: row.get("InstanceId", "") for row in rows}

    def changes(self) -> Counter[str]:
        """How often each operation was called that is no reading."""
        with urllib.request.urlopen(f"{self.url}/moorage/calls", timeout=_CALL_SECONDS) as answer:  # noqa: S310 - http, to this machine
            calls = json.load(answer)
        return Counter(call["op"] for call in calls if not call["op"].startswith("Describe"))


def _first_line(process: Child) -> str:
    process.check()
    lines = process.log.read_text(encoding="utf-8").splitlines(keepends=True)
    return next((line for line in lines if line.startswith("{") and line.endswith("\n")), "")
