"""A real Prometheus on loopback, which scrapes every second, and promtool."""

from __future__ import annotations

import http.client
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from moorage_testing.cluster.control_plane import free_ports
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

READY_SECONDS = 60.0
ANSWER_SECONDS = 30.0
PROMTOOL_SECONDS = 120.0


class PromtoolError(Exception):
    """promtool reported an error; the message is its output."""


class QueryError(Exception):
    """Prometheus cannot evaluate an expression; the message says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer: its labels, the name among them, and its value now."""

    labels: Mapping[str, str]
    value: float


def promtool(*arguments: str, stdin: str = "") -> str:
    """Run promtool, building it if necessary; return its output.

    Raises PromtoolError if it reports an error.
    """
    done = subprocess.run(  # noqa: S603 - a tool of the pinned toolchain
        [str(tool_path("promtool")), *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PROMTOOL_SECONDS,
    )
    if done.returncode != 0:
        raise PromtoolError(done.stdout)
    return done.stdout


class Prometheus:
    """A server in a run's folder that scrapes, and evaluates its rules, every second."""

    def __init__(self, child: Child, port: int) -> None:
        """Take over a server that was just started; see `Prometheus.start`."""
        self.child = child
        self._url = f"http://127.0.0.1:{port}"

    @classmethod
    def start(cls, run: Run, targets: Sequence[str], rules: Sequence[Path] = ()) -> Self:
        """Scrape these targets ("host:port"), evaluate these files of rules; wait until it serves.

        Builds the server if necessary; raises ChildError with its log when it cannot start.
        """
        folder = run.folder / "prometheus"
        folder.mkdir()
        config = folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(_configuration(targets, rules)), encoding="utf-8")
        (port,) = free_ports(1)
        argv = [
            str(tool_path("prometheus")),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        # The data is thrown away, so nothing is lost when it is killed.
        server = cls(run.start(Command("prometheus", argv, grace_seconds=0)), port)
        wait_for(server._ready, READY_SECONDS, "Prometheus to be ready")
        return server

    def query(self, expression: str) -> list[Sample]:
        """Every series of the answer; a number alone is a series without labels."""
        answer = self._get("query", query=expression)
        if answer["resultType"] == "scalar":
            return [Sample({}, float(answer["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in answer["result"]]

    def rules(self) -> dict[str, str]:
        """The health of every rule by its name: `ok`, `unknown` before its first evaluation."""
        groups = self._get("rules")["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def alerts(self) -> list[str]:
        """The names of the alerts that are pending or firing."""
        return sorted(one["labels"]["alertname"] for one in self._get("alerts")["alerts"])

    def _ready(self) -> bool:
        self.child.check()
        try:
            with _opened(f"{self._url}/-/ready"):
                return True
        except OSError:
            return False

    def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with _opened(url) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise QueryError(f"{parameters}: {json.load(error)['error']}") from error


def _opened(url: str) -> http.client.HTTPResponse:
    answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310 - http on loopback
        url, timeout=ANSWER_SECONDS
    )
    return answer


def _configuration(targets: Sequence[str], rules: Sequence[Path]) -> dict[str, Any]:
    every_second = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    return {
        "global": every_second,
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [{"job_name": "moorage", "static_configs": [{"targets": list(targets)}]}],
    }
