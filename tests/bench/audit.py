"""The controller's requests, from the API server's audit log."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
"""The verbs that change something."""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request of the controller that the API server answered.

    Attributes:
        verb: as the audit log has it; ``ask version`` for a list of at most one object, which is
            how an informer asks which version is the newest.
    """

    verb: str
    resource: str
    subresource: str

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {what}"


class Audit:
    """The log that the API server keeps of one service account's requests."""

    def __init__(self, folder: Path, account: str) -> None:
        self._log = folder / "audit.log"
        self._policy = folder / "audit-policy.json"
        user = "system:serviceaccount:" + account.replace("/", ":")
        rules = [{"level": "Metadata", "users": [user]}, {"level": "None"}]
        policy = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            # A watch is logged when it begins, every other request when it is answered.
            "omitStages": ["RequestReceived"],
            "rules": rules,
        }
        self._policy.write_text(json.dumps(policy), encoding="utf-8")

    @property
    def flags(self) -> tuple[str, ...]:
        """For the API server; it writes each line before the next request of that client."""
        return (f"--audit-policy-file={self._policy}", f"--audit-log-path={self._log}")

    def mark(self) -> int:
        """The current time, for ``since``."""
        return self._log.stat().st_size if self._log.exists() else 0

    def since(self, mark: int) -> list[ApiCall]:
        """All requests answered after a mark, watches where they began."""
        return [
            _api_call(event)
            for event in self._events(mark)
            if (event["stage"] == "ResponseStarted") == (event["verb"] == "watch")
        ]

    def renewals(self, mark: int) -> list[float]:
        """When it wrote its Lease after a mark, in seconds since the epoch."""
        return [
            _epoch(event["stageTimestamp"])
            for event in self._events(mark)
            if event["verb"] in WRITES and event.get("objectRef", {}).get("resource") == "leases"
        ]

    def age(self) -> float:
        """Seconds since the controller's last request other than for its Lease."""
        text = self._log.read_text(encoding="utf-8").splitlines() if self.mark() else []
        for line in reversed(text):
            event = json.loads(line)
            if event.get("objectRef", {}).get("resource") != "leases":
                return time.time() - _epoch(event["stageTimestamp"])
        return float("inf")

    def _events(self, mark: int) -> Iterator[dict[str, Any]]:
        with self._log.open("rb") as log:
            log.seek(mark)
            yield from (json.loads(line) for line in log if line.endswith(b"\n"))


def _api_call(event: dict[str, Any]) -> ApiCall:
    # Discovery has no object.
    subject = event.get("objectRef", {})
    query = parse_qs(urlsplit(event.get("requestURI", "")).query)
    asks_version = event["verb"] == "list" and query.get("limit") == ["1"]
    verb = "ask version" if asks_version else event["verb"]
    return ApiCall(verb, subject.get("resource", ""), subject.get("subresource", ""))


def _epoch(stamp: str) -> float:
    return dt.datetime.fromisoformat(stamp).timestamp()
