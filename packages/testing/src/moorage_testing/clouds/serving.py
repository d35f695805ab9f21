"""Serves an emulated cloud over HTTP, with faults, a call log and its own paths."""

from __future__ import annotations

import abc
import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from moorage_testing.clouds.control import Control
from moorage_testing.clouds.world import World
from moorage_testing.faults import Fault, FaultBook

if TYPE_CHECKING:
    import ssl
    from types import TracebackType
    from wsgiref.types import StartResponse, WSGIEnvironment

WorldT = TypeVar("WorldT", bound=World)

CRASHED = 599
"""The status for a bug in the emulator itself, which also counts as a violation."""


class _QuietHandler(WSGIRequestHandler):
    """Logs no requests: the call log does."""

    # Connections stay open, as those to a cloud do.
    protocol_version = "HTTP/1.1"
    # Head and body are two packets; the second would wait for the first to be acknowledged.
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Log nothing."""


class HttpEmulator(abc.ABC, Generic[WorldT]):
    """One region of one account on a loopback port, in threads of this process.

    Attributes:
        host: address to listen on; another than loopback where pods are to reach it. Set it before
            the ``with`` block.
        faults: the injected faults, and the log of calls.
        violations: values in requests and answers that the cloud's official description forbids.
        region: the region, empty at the start.
        tls: the TLS settings, ``None`` = plain HTTP.
    """

    def __init__(self, *, port: int, region: str, tls: ssl.SSLContext | None = None) -> None:
        """Prepare; nothing listens before the ``with`` block; port 0 = a free one."""
        self.faults = FaultBook()
        self.violations: list[str] = []
        self.region = region
        self.host = "127.0.0.1"
        self._port = port
        self._tls = tls
        # Requests are served one by one, so an emulator's state needs no locks.
        self._one_at_a_time = threading.RLock()
        self._world: WorldT | None = None
        self._opened = contextlib.ExitStack()

    @property
    @abc.abstractmethod
    def environment(self) -> Mapping[str, str]:
        """Environment variables that lead the cloud's SDK here and nowhere else."""

    @abc.abstractmethod
    def _open(self, opened: contextlib.ExitStack) -> WorldT:
        """Create the empty account; clean-up goes on the stack."""

    @abc.abstractmethod
    def _name(self, request: Request) -> tuple[str, dict[str, str]]:
        """The cloud's name of the requested operation, and its parameters, flat."""

    @abc.abstractmethod
    def _do(self, op: str, request: Request, fault: Fault | None) -> Response:
        """Execute the request; uses only the parts of a fault about accepted operations."""

    @abc.abstractmethod
    def _refuse(self, fault: Fault) -> Response:
        """This cloud's answer to a call with a fault that has a status."""

    @property
    def world(self) -> WorldT:
        """The account. Only inside of the ``with`` block."""
        if self._world is None:
            raise RuntimeError("the emulator is not running")
        return self._world

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self._tls else ''}://{self.host}:{self._port}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            self._world = self._open(opened)
            self._control = Control(self._world, self.faults, self.violations)
            server = make_server(
                self.host, self._port, self._serve,
                threaded=True, request_handler=_QuietHandler, ssl_context=self._tls,
            )  # fmt: skip
            opened.callback(server.server_close)
            self._port = server.server_port
            # Short polls, or every stop takes half a second.
            thread = threading.Thread(
                target=server.serve_forever, args=(0.02,), name=type(self).__name__, daemon=True
            )
            thread.start()
            opened.callback(thread.join)
            opened.callback(server.shutdown)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()
        self._world = None

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Read completely, so that the connection stays usable.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        request = Request(environ)
        if request.path.startswith("/moorage/"):
            with self._one_at_a_time:
                # Not `request.path`: an id may hold slashes.
                path = environ.get("REQUEST_URI", request.path).split("?")[0]
                status, content = self._control.answer(request.method, path, body)
            return Response(content, status, mimetype="application/json")(environ, start_response)
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        op, params = self._name(request)
        fault = self.faults.arrive(op, params)
        if fault is None:
            return self._try(op, request, None)
        time.sleep(fault.delay_seconds)
        if fault.drop == "before":
            _break(request)
        if fault.status is not None and not fault.late:
            return self._refuse(fault)
        answer = self._try(op, request, fault)
        if fault.drop == "after":
            _break(request)
        return answer

    def _try(self, op: str, request: Request, fault: Fault | None) -> Response:
        try:
            with self._one_at_a_time:
                return self._do(op, request, fault)
        except Exception as bug:  # noqa: BLE001 - a silent one looks like an endless operation
            self.violations.append(f"{op}: the emulator failed: {bug!r}")
            return Response(repr(bug), CRASHED)


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(json.dumps(body), status, headers, mimetype="application/json")


def _break(request: Request) -> None:
    """Close the connection; an exception alone would leave the client waiting."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError
