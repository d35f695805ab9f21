"""The emulated clouds, each in its own process; their state is read by control paths."""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

CLUSTER = "demo"
ADDRESSES = ("203.0.113.10", "203.0.113.11")
START_SECONDS = 60.0
_CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud the demo can be played in.

    Attributes:
        name: as ``spec.cloud.provider`` has it, and the emulator's package.
        api: the name of its API.
    """

    name: str
    api: str


CLOUDS = (Cloud("aws", "EC2"), Cloud("gcp", "Compute Engine"), Cloud("azure", "Azure"))


class EmulatedCloud:
    """A region with one instance for each node, and the addresses."""

    def __init__(self, cloud: Cloud, process: Child, announced: Mapping[str, Any]) -> None:
        """Wrap an emulator that was just started; see ``start`` and ``wait``."""
        self.cloud = cloud
        self.url: str = announced["url"]
        self.region: str = announced["region"]
        self.environment: Mapping[str, str] = announced["environment"]
        self.instances: list[dict[str, str]] = announced["instances"]
        self._process = process
        self._tls = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None

    @staticmethod
    def start(run: Run, cloud: Cloud, nodes: int) -> Child:
        """Start the process; it takes a while to come up."""
        argv = [sys.executable, "-m", f"moorage_testing.clouds.{cloud.name}", "--cluster", CLUSTER]
        argv += ["--nodes", str(nodes), "--addresses", ",".join(ADDRESSES)]
        # It needs no clean-up, so it is killed at once; its files are removed with the run's.
        env = {"TMPDIR": str(run.folder)}
        return run.start(Command(cloud.name, argv, env=env, grace_seconds=0))

    @classmethod
    def wait(cls, cloud: Cloud, process: Child) -> Self:
        """Return once it serves; raises ChildError or WaitTimeoutError."""
        what = f"the emulator of {cloud.api} to serve"
        line = wait_for(lambda: _first_line(process), START_SECONDS, what)
        return cls(cloud, process, json.loads(line))

    @property
    def ca_file(self) -> str:
        """The certificate of its private authority, ``""``: it uses no TLS."""
        return self.environment.get("REQUESTS_CA_BUNDLE", "")

    def check(self) -> None:
        """Raise ChildError if the process has ended."""
        self._process.check()

    def stop(self) -> None:
        """End the process."""
        self._process.stop()

    def holders(self) -> dict[str, str]:
        """The instance that has each address, ``""`` = none."""
        return {row["ip"]: row["instance"] for row in self._get("addresses")}

    def changes(self) -> Counter[str]:
        """How often each mutating operation was called."""
        return Counter(call["op"] for call in self._get("changes"))

    def _get(self, what: str) -> list[dict[str, Any]]:
        url = f"{self.url}/moorage/{what}"
        with urllib.request.urlopen(url, timeout=_CALL_SECONDS, context=self._tls) as answer:  # noqa: S310 - to this machine
            rows: list[dict[str, Any]] = json.load(answer)
            return rows


def _first_line(process: Child) -> str:
    process.check()
    lines = process.log.read_text(encoding="utf-8").splitlines(keepends=True)
    return next((line for line in lines if line.startswith("{") and line.endswith("\n")), "")
