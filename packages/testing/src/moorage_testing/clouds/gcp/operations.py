"""Zone operations: accepted as running, done or failed later, never begun twice."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from moorage_testing.clouds.gcp.access import ChangeRequest
from moorage_testing.clouds.gcp.project import MADE_AT, GceError, Project, Row, invalid


@dataclass(frozen=True, slots=True)
class Begun:
    """The values that an operation begins with.

    Attributes:
        target: the instance.
        seconds: how long it takes.
        effect: makes the change at the end, or raises the operation's error.
    """

    target: Row
    seconds: float
    effect: Callable[[], None]


class Operations:
    """All operations of a project, including those that ended."""

    def __init__(self, project: Project, clock: Callable[[], float]) -> None:
        self._project = project
        self._clock = clock
        self._names = itertools.count(1)
        self._rows: dict[tuple[str, str], Row] = {}
        self._running: dict[str, tuple[float, Row, Begun]] = {}
        self._requests: dict[str, tuple[ChangeRequest, Row]] = {}
        # Time also passes when a test changes the emulated project directly.
        self._ending = threading.Lock()

    def get(self, zone: str, name: str) -> Row:
        """An operation as it is described now."""
        row = self._rows.get((zone, name))
        if row is None:
            raise self._project.not_found(f"zones/{zone}/operations/{name}")
        return row

    def replay(self, change: ChangeRequest) -> Row | None:
        """The operation begun by a request with the same id; ``None``: there is none."""
        request_id = change.query.get("requestId")
        if request_id is None:
            return None
        if not _is_uuid(request_id):
            raise invalid(f"Invalid value for field 'requestId': '{request_id}'. Must be a UUID.")
        if request_id not in self._requests:
            return None
        before, row = self._requests[request_id]
        if before != change:
            raise invalid(
                f"Invalid value for field 'requestId': '{request_id}'. It was used by a request"
                " with other contents."
            )
        return dict(row)

    def begin(self, change: ChangeRequest, begun: Begun) -> Row:
        """Accept an operation; the answer always says that it is running."""
        name = f"operation-{next(self._names)}"
        target = begun.target
        row: Row = {
            "kind": "compute#operation",
            "id": self._project.number(),
            "name": name,
            "zone": self._project.link(f"zones/{change.zone}"),
            "operationType": change.op.rpartition(".")[2],
            "status": "RUNNING",
            "progress": 0,
            "insertTime": MADE_AT,
            "startTime": MADE_AT,
            "targetLink": target["selfLink"],
            "targetId": target["id"],
            "selfLink": self._project.link(f"zones/{change.zone}/operations/{name}"),
            "user": "moorage@example.com",
        }
        if request_id := change.query.get("requestId"):
            row["clientOperationId"] = request_id
            self._requests[request_id] = (change, row)
        self._rows[change.zone, name] = row
        self._running[name] = (self._clock() + begun.seconds, row, begun)
        return dict(row)

    def advance(self) -> None:
        """End what is due, in the order in which it began."""
        with self._ending:
            now = self._clock()
            for name, (due, row, begun) in list(self._running.items()):
                if due <= now:
                    del self._running[name]
                    _end(row, begun)

    def under_way(self, target: Row) -> bool:
        """Whether an operation on this instance is running."""
        return any(begun.target is target for _, _, begun in list(self._running.values()))


def _end(row: Row, begun: Begun) -> None:
    try:
        begun.effect()
    except GceError as error:
        row |= {
            "error": {"errors": [{"code": error.code, "message": error.message}]},
            "httpErrorStatusCode": error.status,
            "httpErrorMessage": "BAD REQUEST",
        }
    row |= {"status": "DONE", "progress": 100, "endTime": MADE_AT}


def _is_uuid(text: str) -> bool:
    try:
        return uuid.UUID(text).int != 0
    except ValueError:
        return False
