"""The emulator's own paths over HTTP: faults, calls and instances, for tests in other processes.

GET    /moorage/calls                          all calls, in order
GET    /moorage/changes                        the mutating calls
GET    /moorage/violations                     violations of the cloud's official description
GET    /moorage/instances, /moorage/addresses  the account
POST   /moorage/faults                         one fault, as JSON of its fields
DELETE /moorage/faults                         forget all faults
POST   /moorage/instances/ID/terminate         also stop, start; slashes in ID as %2F
POST   /moorage/addresses/IP/disassociate
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from moorage_testing.faults import Fault, FaultBook

if TYPE_CHECKING:
    from moorage_testing.clouds.world import World

_READS = re.compile(r"Describe\w+|\w+\.(?:get|list|aggregatedList|wait)\w*")
# Errors are for clouds in the same process; they do not travel as JSON.
_FAULT_FIELDS = {f.name for f in dataclasses.fields(Fault)} - {"error", "late_error"}


class Control:
    """Answers the emulator's own paths."""

    def __init__(self, world: World, faults: FaultBook, violations: list[str]) -> None:
        self._world = world
        self._faults = faults
        self._violations = violations

    def answer(self, method: str, path: str, body: bytes) -> tuple[str, bytes]:
        """Execute a request; return the HTTP status line and JSON."""
        parts = tuple(unquote(part) for part in path.strip("/").split("/")[1:])
        try:
            result = self._read(parts) if method == "GET" else self._change(method, parts, body)
        except KeyError as error:
            return "404 Not Found", json.dumps({"error": f"there is no {error}"}).encode()
        except (TypeError, ValueError) as error:
            return "400 Bad Request", json.dumps({"error": str(error)}).encode()
        return "200 OK", json.dumps(result).encode()

    def _read(self, parts: tuple[str, ...]) -> object:
        match parts:
            case ("calls",):
                return [dataclasses.asdict(call) for call in self._faults.calls]
            case ("changes",):
                return [dataclasses.asdict(call) for call in self._faults.calls if changes(call.op)]
            case ("violations",):
                return self._violations
            case ("instances",):
                return [dataclasses.asdict(one) for one in self._world.instances()]
            case ("addresses",):
                return self._holders()
            case _:
                raise KeyError("/".join(parts))

    def _holders(self) -> list[dict[str, str]]:
        return [
            {"ip": ip, "reference": reference, "instance": self._world.holder(ip)}
            for ip, reference in self._world.addresses().items()
        ]

    def _change(self, method: str, parts: tuple[str, ...], body: bytes) -> object:
        match (method, *parts):
            case ("DELETE", "faults"):
                self._faults.clear()
            case ("POST", "faults"):
                self._faults.inject(_fault(body))
            case ("POST", "instances", instance_id, "terminate"):
                self._world.terminate(instance_id)
            case ("POST", "instances", instance_id, "stop"):
                self._world.stop(instance_id)
            case ("POST", "instances", instance_id, "start"):
                self._world.start(instance_id)
            case ("POST", "addresses", ip, "disassociate"):
                self._world.disassociate(ip)
            case _:
                raise KeyError("/".join(parts))
        return {}


def changes(op: str) -> bool:
    """Whether an operation is a mutation, judged by its name."""
    return not _READS.fullmatch(op)


def _fault(body: bytes) -> Fault:
    fields = json.loads(body)
    unknown = sorted(set(fields) - _FAULT_FIELDS)
    if unknown:
        raise ValueError(f"unknown field {unknown[0]}: use {', '.join(sorted(_FAULT_FIELDS))}")
    return Fault(**fields)
