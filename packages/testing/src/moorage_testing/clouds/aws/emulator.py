"""The emulated EC2 endpoint: moto behind faults, a call log and a check of every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from moorage_testing.clouds.aws import answers, elastic_ips, overlay
from moorage_testing.clouds.aws.world import Ec2World
from moorage_testing.clouds.serving import HttpEmulator
from moorage_testing.faults import Fault

if TYPE_CHECKING:
    import contextlib

    from werkzeug.wrappers import Request


class Ec2Emulator(HttpEmulator[Ec2World]):
    """EC2 of one region on a loopback port; ``violations``: what botocore's model forbids."""

    def __init__(self, *, port: int = 0, region: str = "eu-west-1") -> None:
        """Prepare; nothing listens before the ``with`` block; port 0 = a free one."""
        super().__init__(port=port, region=region)
        self._moto = DomainDispatcherApplication(create_backend_app)

    @property
    def stale_reads(self) -> int:
        """This many reads after a change still show the old association."""
        return elastic_ips.CONSISTENCY.stale_reads

    @stale_reads.setter
    def stale_reads(self, reads: int) -> None:
        elastic_ips.CONSISTENCY.stale_reads = reads

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead an AWS SDK here for EC2, with credentials for it."""
        return {
            "AWS_ENDPOINT_URL_EC2": self.url,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example-secret-access-key",
            "AWS_SESSION_TOKEN": "example-session-token",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def _open(self, opened: contextlib.ExitStack) -> Ec2World:
        opened.enter_context(overlay.strict())
        self.stale_reads = 0
        return Ec2World(self.region)

    def _name(self, request: Request) -> tuple[str, dict[str, str]]:
        fields = parse_qs(request.get_data(as_text=True))
        params = {name: values[-1] for name, values in fields.items()}
        params.pop("Version", None)
        return params.pop("Action", request.path), params

    def _do(self, op: str, request: Request, fault: Fault | None) -> Response:  # noqa: ARG002 - no mutation of EC2 outlives its call
        if op not in answers.operations():
            # As EC2's own endpoint does, also the private one of a VPC: no other service is there.
            text = f"The action {op} is not valid for this web service."
            return self._refuse(Fault(op=op, status=400, code="InvalidAction", message=text))
        # `get_data` above has read the stream, which moto reads, too.
        request.environ["wsgi.input"].seek(0)
        answer = Response.from_app(self._moto, request.environ)
        if answer.status_code == 200:  # noqa: PLR2004 - HTTP's
            self.violations += answers.violations(op, answer.get_data())
        return answer

    def _refuse(self, fault: Fault) -> Response:
        """EC2's error document, or without a code the web page of a proxy."""
        text = "<html><body>Bad gateway</body></html>"
        if fault.code:
            text = (
                f"<Response><Errors><Error><Code>{escape(fault.code)}</Code>"
                f"<Message>{escape(fault.message)}</Message></Error></Errors>"
                "<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
            )
        return Response(text, fault.status, fault.headers, mimetype="text/xml")
