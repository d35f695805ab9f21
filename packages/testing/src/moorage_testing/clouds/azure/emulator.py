"""The emulated Azure Resource Manager: requests, refusals, pages, long-running operations."""

from __future__ import annotations

import contextlib
import json
import ssl
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from moorage_testing.clouds.azure import interfaces, routes, schema
from moorage_testing.clouds.azure.account import Account, ArmError
from moorage_testing.clouds.azure.operations import Operations
from moorage_testing.clouds.azure.resources import SUBSCRIPTION, Row
from moorage_testing.clouds.azure.world import ArmWorld
from moorage_testing.clouds.serving import HttpEmulator, json_response

if TYPE_CHECKING:
    from werkzeug.wrappers import Request, Response

    from moorage_testing.faults import Fault

ANONYMOUS = "anonymous"
TOKEN = "emulated-access-token"  # noqa: S105 - opens nothing but this emulator
ASSERTION = "emulated-service-account-token"
PAGE_SIZE = 1000
POLL_SECONDS = 10
"""What Network asks to wait before an operation is asked after; its answers then ask for nothing.

From a field report: https://github.com/Azure/go-autorest/issues/58
"""


class ArmEmulator(HttpEmulator[ArmWorld]):
    """Azure of one subscription; ``violations`` are values that the SDK's own types do not allow.

    Attributes:
        page_size: how many resources a list shows at once.
        operation_seconds: how long an operation takes, unless a fault sets it.
        token_seconds: the announced lifetime of a token; the emulator accepts it after that, too.
    """

    def __init__(self, *, port: int = 0, region: str = "westeurope") -> None:
        """Prepare; nothing listens before the ``with`` block; port 0 = a free one."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        super().__init__(port=port, region=region, tls=context)
        self.page_size = PAGE_SIZE
        self.operation_seconds = 0.0
        self.token_seconds = 3600
        self._authority = authority
        self._checked: set[tuple[str, str]] = set()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead the Azure SDK here and nowhere else."""
        return {
            "MOORAGE_AZURE_ENDPOINT": self.url,
            "MOORAGE_AZURE_CREDENTIALS": ANONYMOUS,
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "REQUESTS_CA_BUNDLE": str(self._folder / "ca.pem"),
        }

    @property
    def identity(self) -> dict[str, str]:
        """The same with a workload identity in place of anonymous credentials."""
        environment = self.environment
        del environment["MOORAGE_AZURE_CREDENTIALS"]
        return environment | {
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000002",
            "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000003",
            "AZURE_FEDERATED_TOKEN_FILE": str(self._folder / "token"),
        }

    def _open(self, opened: contextlib.ExitStack) -> ArmWorld:
        self._folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="moorage-")))
        self._authority.cert_pem.write_to_path(self._folder / "ca.pem")
        (self._folder / "token").write_text(ASSERTION)
        self._account = Account()
        self._operations = Operations(time.monotonic)
        return ArmWorld(self.region, self._account, self._operations)

    def _name(self, request: Request) -> tuple[str, dict[str, str]]:
        found = routes.find(request.method, request.path)
        if found is None:
            return f"{request.method} {request.path}", {}
        route, params = found
        if "If-Match" in request.headers:
            params["If-Match"] = request.headers["If-Match"]
        return route.op, params

    def _do(self, op: str, request: Request, fault: Fault | None) -> Response:
        self._operations.advance()
        found = routes.find(request.method, request.path)
        if found is None:
            return _refusal(ArmError(404, "InvalidResourceType", f"{op} is not emulated"))
        route, params = found
        try:
            return self._route(route, params, request, fault)
        except ArmError as error:
            return _refusal(error)

    def _route(
        self, route: routes.Route, params: Mapping[str, str], request: Request, fault: Fault | None
    ) -> Response:
        if route.does == "token":
            return _token(request, self.token_seconds)
        _authorise(request, params)
        match route.does:
            case "get":
                return self._get(route, request)
            case "list":
                return self._list(route, request)
            case "put":
                return self._put(route, request, fault)
            case "operation":
                return self._operation_state(params["operation"])

    def _get(self, route: routes.Route, request: Request) -> Response:
        row = self._shown(route, self._account.get(request.path), request)
        return json_response(200, row, {"ETag": row["etag"]})

    def _list(self, route: routes.Route, request: Request) -> Response:
        # Below a subscription or a resource group; else below a scale set or its member.
        under, suffix = request.path.rpartition("/")[0], f"/providers/{route.kind}"
        if request.path.lower().endswith(suffix.lower()):
            under = request.path[: -len(suffix)]
        rows = self._account.of_kind(route.kind, f"{under}/")
        start = int(request.args.get("$skiptoken", 0))
        end = start + self.page_size
        answer: Row = {"value": [self._shown(route, row, request) for row in rows[start:end]]}
        if end < len(rows):
            version = request.args["api-version"]
            answer["nextLink"] = f"{self.url}{request.path}?api-version={version}&$skiptoken={end}"
        return json_response(200, answer)

    def _put(self, route: routes.Route, request: Request, fault: Fault | None) -> Response:
        try:
            body = json.loads(request.get_data())
        except ValueError as malformed:
            raise ArmError(400, "InvalidRequestContent", str(malformed)) from malformed
        change = interfaces.examine(
            self._account,
            self._operations,
            request.path,
            body,
            request.headers.get("If-Match", ""),
        )
        error = interfaces.refused_late(self._account, change)
        if fault and fault.late:
            error = (fault.code, fault.message)
        seconds = fault.operation_seconds if fault else 0.0
        name = self._operations.begin(
            seconds or self.operation_seconds,
            change.touches,
            interfaces.begin(self._account, change, fails=error is not None),
            error,
        )
        row = self._shown(route, change.interface, request)
        where = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/locations/{self.region}"
        version = request.args["api-version"]
        headers = {
            "Azure-AsyncOperation": f"{self.url}{where}/operations/{name}?api-version={version}",
            "Retry-After": str(POLL_SECONDS),
        }
        return json_response(200, row, headers)

    def _operation_state(self, name: str) -> Response:
        found = self._operations.answer(name)
        if found is None:
            raise ArmError(404, "NotFound", f"Operation {name} was not found.")
        return json_response(200, found)

    def _shown(self, route: routes.Route, row: Row, request: Request) -> Row:
        """A resource as it is described, checked once in each of its states."""
        version = (row["id"], row["etag"])
        if version not in self._checked:
            self._checked.add(version)
            self.violations += schema.problems(route.wire, row, route.op)
        if row["id"] in self._account.spoiled:
            return row | {"properties": row["properties"] | {"ipAddress": "being moved"}}
        if "instanceView" not in row["properties"] or "$expand" in request.args:
            return row
        properties = {k: v for k, v in row["properties"].items() if k != "instanceView"}
        return row | {"properties": properties}

    def _refuse(self, fault: Fault) -> Response:
        """Azure's error document, or without a code the web page of a proxy."""
        if fault.code:
            error = ArmError(fault.status or 500, fault.code, fault.message, fault.headers)
            return _refusal(error)
        page = json_response(fault.status or 502, None, fault.headers)
        page.set_data("<html><body>Bad gateway</body></html>")
        page.mimetype = "text/html"
        return page


def _refusal(error: ArmError) -> Response:
    body = {"error": {"code": error.code, "message": error.message}}
    return json_response(error.status, body, error.headers)


def _token(request: Request, seconds: int) -> Response:
    """A token for the right service account token, or for a machine's own request."""
    asserted = request.form.get("client_assertion", ASSERTION)
    if asserted != ASSERTION:
        answer = {"error": "invalid_client", "error_description": "AADSTS700211: no such issuer"}
        return json_response(401, answer)
    answer = {
        "token_type": "Bearer",
        "access_token": TOKEN,
        "expires_in": str(seconds),
        "expires_on": str(int(time.time()) + seconds),
        "resource": request.args.get("resource", ""),
    }
    return json_response(200, answer)


def _authorise(request: Request, params: Mapping[str, str]) -> None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or token not in (TOKEN, ANONYMOUS):
        challenge = {"WWW-Authenticate": 'Bearer authorization_uri="", error="invalid_token"'}
        text = "The access token is missing or invalid."
        raise ArmError(401, "InvalidAuthenticationToken", text, challenge)
    if "api-version" not in request.args:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", text)
    if params["subscription"] != SUBSCRIPTION:
        text = f"The subscription '{params['subscription']}' could not be found."
        raise ArmError(404, "SubscriptionNotFound", text)
