"""The emulated EC2 endpoint: moto behind faults, a call log and a check of every answer."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from moorage_testing.clouds.aws import answers, elastic_ips, overlay
from moorage_testing.clouds.aws.control import Control
from moorage_testing.clouds.aws.world import Ec2World
from moorage_testing.faults import Fault, FaultBook

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_Answer = tuple[str, list[tuple[str, str]], bytes]


class _QuietHandler(WSGIRequestHandler):
    """Tells nobody about single requests: the call log does."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Say nothing."""


class Ec2Emulator:
    """EC2 of one region on a loopback port, in a thread of this process.

    Attributes:
        faults: what goes wrong, and the calls that came in.
        violations: what in the answers botocore's model does not know.
        world: the account, for arranging it by hand.
    """

    def __init__(self, *, port: int = 0, region: str = "eu-west-1") -> None:
        """Prepare; nothing listens before the ``with`` block.

        Args:
            port: 0 = a free one.
            region: the region, empty at the start.
        """
        self.faults = FaultBook()
        self.violations: list[str] = []
        self.region = region
        self._port = port
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto's state has no locks; EC2 does one thing after the other anyway.
        self._one_at_a_time = threading.RLock()
        self._world: Ec2World | None = None
        self._opened = contextlib.ExitStack()

    @property
    def world(self) -> Ec2World:
        """The account. Only inside of the ``with`` block."""
        if self._world is None:
            raise RuntimeError("the emulator is not running")
        return self._world

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def stale_reads(self) -> int:
        """So many reads after a change still show the old association."""
        return elastic_ips.CONSISTENCY.stale_reads

    @stale_reads.setter
    def stale_reads(self, reads: int) -> None:
        elastic_ips.CONSISTENCY.stale_reads = reads

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead any AWS SDK here and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example-secret-access-key",
            "AWS_SESSION_TOKEN": "example-session-token",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            opened.enter_context(overlay.strict())
            self._world = Ec2World(self.region)
            self.stale_reads = 0
            control = Control(self.world, self.faults, self.violations)
            self._control = control
            server = make_server(
                "127.0.0.1", self._port, self._serve, threaded=True, request_handler=_QuietHandler
            )
            opened.callback(server.server_close)
            self._port = server.server_port
            # Short polls, or every stop takes half a second.
            thread = threading.Thread(
                target=server.serve_forever, args=(0.02,), name="ec2-emulator", daemon=True
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
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body: bytes = environ["wsgi.input"].read(size)
        path = environ["PATH_INFO"]
        if path.startswith("/moorage/"):
            with self._one_at_a_time:
                status, content = self._control.answer(environ["REQUEST_METHOD"], path, body)
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
            start_response(status, headers)
            return [content]
        environ["wsgi.input"] = io.BytesIO(body)
        params = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        status, headers, content = self._answer(params, environ)
        start_response(status, headers)
        return [content]

    def _answer(self, params: dict[str, str], environ: WSGIEnvironment) -> _Answer:
        op = params.pop("Action", environ["PATH_INFO"])
        params.pop("Version", None)
        fault = self.faults.arrive(op, params)
        if fault is None:
            return self._ask_moto(op, environ)
        time.sleep(fault.delay_seconds)
        if fault.drop == "before":
            _break(environ)
        if fault.status is not None:
            return _refusal(fault)
        answer = self._ask_moto(op, environ)
        if fault.drop == "after":
            _break(environ)
        return answer

    def _ask_moto(self, op: str, environ: WSGIEnvironment) -> _Answer:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start(
            status: str, headers: list[tuple[str, str]], _: object = None, /
        ) -> Iterator[None]:
            started.append((status, headers))
            return iter(())

        with self._one_at_a_time:
            content = b"".join(self._moto(environ, start))
        status, headers = started[0]
        if status.startswith("200"):
            self.violations += answers.violations(op, content)
        return status, headers, content


def _break(environ: WSGIEnvironment) -> None:
    """Close the connection; an exception alone would leave the client waiting."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


def _refusal(fault: Fault) -> _Answer:
    """EC2's error document, or without a code the web page of something in between."""
    text = "<html><body>Bad gateway</body></html>"
    if fault.code:
        text = (
            f"<Response><Errors><Error><Code>{escape(fault.code)}</Code>"
            f"<Message>{escape(fault.message)}</Message></Error></Errors>"
            "<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
        )
    content = text.encode()
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(content)))]
    return f"{fault.status} Injected", [*headers, *fault.headers.items()], content
