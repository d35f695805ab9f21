"""The emulated Compute Engine: requests and answers as described, operations, pages, refusals."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from moorage_testing.clouds.gcp import access, lists, schema
from moorage_testing.clouds.gcp.identity import UNIVERSE, service_account
from moorage_testing.clouds.gcp.operations import Begun, Operations
from moorage_testing.clouds.gcp.project import GceError, Project, Row, invalid
from moorage_testing.clouds.gcp.world import GceWorld
from moorage_testing.clouds.serving import HttpEmulator, json_response
from moorage_testing.waiting import WaitTimeoutError, wait_for

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

    from moorage_testing.faults import Fault

PROJECT = "example-project"
REGIONS = ("europe-west1", "us-east1")
# The real service waits at most two minutes.
_WAIT_SECONDS = 120.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class _ParsedRequest:
    """A parsed request.

    Attributes:
        method: the requested method.
        params: the parameters in the path.
        query: the parameters in the query.
        body: its JSON; empty = no body.
        fault: the fault of an operation that it begins.
    """

    method: schema.Method
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    fault: Fault | None


class GceEmulator(HttpEmulator[GceWorld]):
    """Compute Engine of one project; ``violations`` are values that the description does not allow.

    Attributes:
        operation_seconds: how long an operation takes, unless a fault sets it.
        wait_seconds: how long ``zoneOperations.wait`` waits at most.
        unreachable: regions that a list of all regions cannot read.
        partial: what lists say besides what they have, such as ``unreachables`` or a ``warning``.
    """

    def __init__(self, *, port: int = 0, region: str = REGIONS[0]) -> None:
        """Prepare; nothing listens before the ``with`` block; port 0 = a free one."""
        super().__init__(port=port, region=region)
        self.operation_seconds = 0.0
        self.wait_seconds = _WAIT_SECONDS
        self.unreachable: tuple[str, ...] = ()
        self.partial: Row = {}

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead the SDK here, and keep it off any metadata server."""
        return {
            "MOORAGE_GCP_ENDPOINT": self.url,
            "MOORAGE_GCP_CREDENTIALS": "anonymous",
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "NO_GCE_CHECK": "true",
            "CLOUDSDK_CONFIG": "/dev/null",
        }

    @property
    def identity(self) -> dict[str, str]:
        """The same with a service account's key in place of anonymous credentials."""
        environment = self.environment
        del environment["MOORAGE_GCP_CREDENTIALS"]
        return environment | {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self._key_file),
            "GOOGLE_CLOUD_UNIVERSE_DOMAIN": UNIVERSE,
        }

    @property
    def private_key(self) -> str:
        """The service account's private key, as its file holds it."""
        key: str = json.loads(self._key_file.read_text())["private_key"]
        return key

    def _open(self, opened: contextlib.ExitStack) -> GceWorld:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="moorage-"))
        self._key_file = Path(folder) / "key.json"
        self._key_file.write_text(json.dumps(service_account(PROJECT)))
        self._project = Project(PROJECT)
        self._operations = Operations(self._project, time.monotonic)
        return GceWorld(self.region, self._project, self._operations)

    def _name(self, request: Request) -> tuple[str, dict[str, str]]:
        parsed = _read(request, None)
        if parsed is None:
            return f"{request.method} {request.path}", {}
        body = {key: str(value) for key, value in parsed.body.items()}
        return parsed.method.op, {**body, **parsed.query, **parsed.params}

    def _try(self, op: str, request: Request, fault: Fault | None) -> Response:
        parsed = _read(request, fault)
        if parsed is not None and op == "zoneOperations.wait":
            # Outside of the lock, so that other requests are served meanwhile.
            with contextlib.suppress(WaitTimeoutError):
                wait_for(
                    partial(self._is_over, parsed),
                    self.wait_seconds,
                    "an operation",
                    interval_seconds=_POLL_SECONDS,
                )
        return super()._try(op, request, fault)

    def _is_over(self, parsed: _ParsedRequest) -> bool:
        with self._one_at_a_time, contextlib.suppress(GceError):
            self._operations.advance()
            return bool(self._operation(parsed)["status"] == "DONE")
        # The operation does not exist, so there is nothing to wait for.
        return True

    def _do(self, op: str, request: Request, fault: Fault | None) -> Response:
        self._operations.advance()
        parsed = _read(request, fault)
        if parsed is None:
            return _refusal(GceError(404, "notFound", f"{op} is not there"))
        try:
            self._check(parsed)
            answer = self._answers()[op](parsed)
        except GceError as error:
            return _refusal(error)
        self.violations += schema.problems(parsed.method.response, answer, f"{op} answers")
        return json_response(200, answer)

    def _check(self, parsed: _ParsedRequest) -> None:
        method, params = parsed.method, parsed.params
        for name in schema.missing(method, parsed.query):
            raise GceError(400, "required", f"Required field '{name}' not specified")
        problems = schema.problems_of_query(method, parsed.query)
        if method.request:
            problems += schema.problems(method.request, parsed.body, f"{method.op} asks")
        elif parsed.body:
            problems.append(f"{method.op}: a body that nobody reads")
        if problems:
            self.violations += problems
            raise invalid(f"Invalid JSON payload received. {problems[0]}")
        if params["project"] != PROJECT:
            where = f"projects/{params['project']}"
            text = f"Required 'compute.{method.op}' permission for '{where}'"
            raise GceError(403, "forbidden", text)
        if params.get("region", self.region) not in (*REGIONS, self.region):
            raise self._project.not_found(f"regions/{params['region']}")

    def _answers(self) -> Mapping[str, Callable[[_ParsedRequest], Row]]:
        project = self._project
        return {
            "instances.get": lambda a: project.instance(a.params["zone"], a.params["instance"]),
            "instances.list": lambda a: lists.instances(project, a.params["zone"], a.query),
            "instances.addAccessConfig": self._change,
            "instances.deleteAccessConfig": self._change,
            "instances.updateNetworkInterface": self._change,
            "addresses.get": lambda a: project.address(a.params["region"], a.params["address"]),
            "addresses.list": self._addresses,
            "addresses.aggregatedList": self._all_addresses,
            "zoneOperations.get": self._operation,
            "zoneOperations.wait": self._operation,
        }

    def _operation(self, parsed: _ParsedRequest) -> Row:
        return self._operations.get(parsed.params["zone"], parsed.params["operation"])

    def _addresses(self, parsed: _ParsedRequest) -> Row:
        found = lists.addresses(self._project, parsed.params["region"], parsed.query)
        return found | self.partial

    def _all_addresses(self, parsed: _ParsedRequest) -> Row:
        scopes = ["global", *(f"regions/{region}" for region in REGIONS)]
        answer = lists.all_addresses(self._project, parsed.query, scopes)
        for region in self.unreachable:
            warning = {"code": "UNREACHABLE", "message": f"Scope 'regions/{region}' is down."}
            answer["items"][f"regions/{region}"] = {"warning": warning}
        return answer | self.partial

    def _change(self, parsed: _ParsedRequest) -> Row:
        params, fault = parsed.params, parsed.fault
        change = access.ChangeRequest(
            parsed.method.op, params["zone"], params["instance"], parsed.query, parsed.body
        )
        before = self._operations.replay(change)
        if before is not None:
            return before
        access.examine(self._project, change)
        target = self._project.instance(change.zone, change.instance)
        if self._operations.under_way(target):
            text = f"The resource '{target['selfLink']}' is not ready"
            raise GceError(400, "resourceNotReady", text)
        seconds = (fault.operation_seconds if fault else 0.0) or self.operation_seconds
        # An instance recreated meanwhile with the same name is another one.
        exact = dataclasses.replace(change, instance=target["id"])
        effect = _failing(fault) if fault and fault.late else partial(self._carry_out, exact)
        return self._operations.begin(change, Begun(target, seconds, effect))

    def _carry_out(self, change: access.ChangeRequest) -> None:
        """Make the change, unless it has become impossible."""
        access.examine(self._project, change, begun=True)()

    def _refuse(self, fault: Fault) -> Response:
        """Google's error document, or without a code the web page of a proxy."""
        status = fault.status or 500
        if fault.code:
            text = fault.message
            return _refusal(GceError(status, fault.code, text, headers=fault.headers))
        page = "<html><body>Bad gateway</body></html>"
        return Response(page, status, fault.headers, mimetype="text/html")


def _read(request: Request, fault: Fault | None) -> _ParsedRequest | None:
    """The parsed request; ``None``: not in the description."""
    found = schema.find(request.method, request.path)
    if found is None:
        return None
    text = request.get_data(as_text=True)
    return _ParsedRequest(*found, request.args.to_dict(), json.loads(text) if text else {}, fault)


def _failing(fault: Fault) -> Callable[[], None]:
    def fail() -> None:
        raise GceError(400, "invalid", fault.message, fault.code)

    return fail


def _refusal(error: GceError) -> Response:
    one = {"message": error.message, "domain": "global", "reason": error.reason}
    body = {"error": {"code": error.status, "message": error.message, "errors": [one]}}
    return json_response(error.status, body, error.headers)
