"""An emulated cloud in its own process, controlled through its own paths."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from moorage_testing.clouds.control import changes
from moorage_testing.clouds.world import Instance
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

from .clouds import CHANGE_SECONDS, Cloud
from .limited import OFF, ON
from .options import Options
from .planner import ip_text

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class CloudCall:
    """One call that reached the cloud; ``at`` in seconds of the machine's monotonic clock."""

    op: str
    params: Mapping[str, str]
    at: float

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return not changes(self.op)


@dataclass(frozen=True, slots=True)
class EmulatedCloud:
    """One region of one cloud that is running."""

    cloud: Cloud
    child: Child
    url: str
    region: str
    environment: dict[str, str]
    instances: tuple[Instance, ...]
    addresses: int

    @classmethod
    def start(cls, run: Run, cloud: Cloud, options: Options) -> Self:
        """Start it with as many instances as there are nodes."""
        ips = ",".join(map(ip_text, range(options.addresses)))
        argv = [sys.executable, "-m", "tests.bench.limited", cloud.name]
        argv += ["--nodes", str(options.nodes), "--addresses", ips, "--cluster", "bench"]
        child = run.start(Command(cloud.name, argv, env={"PYTHONPATH": str(ROOT)}))

        def first_line() -> str:
            child.check()
            line, end, _ = child.log.read_text(encoding="utf-8").partition("\n")
            return line if end else ""

        announced = json.loads(wait_for(first_line, START_SECONDS, f"{cloud.title} to serve"))
        return cls(
            cloud=cloud,
            child=child,
            url=announced["url"],
            region=announced["region"],
            environment=announced["environment"],
            instances=tuple(Instance(**instance) for instance in announced["instances"]),
            addresses=len(announced["addresses"]),
        )

    def calls(self, since: float = 0.0) -> list[CloudCall]:
        """The calls after a moment, in order."""
        return [
            CloudCall(**call)
            for call in self.request("GET", "moorage/calls")
            if call["at"] >= since
        ]

    def holders(self) -> dict[str, str]:
        """The instance that holds each reserved address, ``""`` = none does."""
        return {one["ip"]: one["instance"] for one in self.request("GET", "moorage/addresses")}

    def remove_ephemeral_addresses(self) -> None:
        """Remove the ephemeral addresses of Compute Engine's machines."""
        held = set(self.holders().values())
        for instance in self.instances:
            if instance.id not in held:
                project, zone, name = instance.provider_id.removeprefix("gce://").split("/")
                path = f"compute/v1/projects/{project}/zones/{zone}/instances/{name}"
                (interface,) = self.request("GET", path)["networkInterfaces"]
                for config in interface.get("accessConfigs", ()):
                    named = {"networkInterface": interface["name"], "accessConfig": config["name"]}
                    self.request("POST", f"{path}/deleteAccessConfig?{urlencode(named)}")

    def slow(self, seconds: float = CHANGE_SECONDS) -> contextlib.AbstractContextManager[None]:
        """Make every change take this much longer, before its answer or after it."""
        kind = "operation_seconds" if self.cloud.accepts_operations else "delay_seconds"
        return self.struck({"op": self.cloud.change, kind: seconds})

    @contextlib.contextmanager
    def limited(self) -> Iterator[None]:
        """Make it refuse changes that come faster than ``limited.WRITES_PER_SECOND``."""
        self.child.send(ON)
        try:
            yield
        finally:
            self.child.send(OFF)

    @contextlib.contextmanager
    def struck(self, fault: Mapping[str, Any]) -> Iterator[None]:
        """Inject a fault that strikes repeatedly; all faults are removed at the end."""
        self.request("POST", "moorage/faults", {**fault, "times": None})
        try:
            yield
        finally:
            self.request("DELETE", "moorage/faults")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Call one of its paths, also a control path; body and answer are JSON."""
        request = urllib.request.Request(  # noqa: S310 - loopback, from the emulator itself
            f"{self.url}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        # An emulator with TLS sets its certificate authority for the SDK, too.
        trusted = self.environment.get("REQUESTS_CA_BUNDLE")
        context = ssl.create_default_context(cafile=trusted) if trusted else None
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:  # noqa: S310 - as above
            return json.loads(answer.read())


def matching(calls: Sequence[CloudCall], op: str) -> list[CloudCall]:
    """The calls of the operations that a regular expression names."""
    return [call for call in calls if re.fullmatch(op, call.op)]
