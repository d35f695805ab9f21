"""AWS's token service on a port of its own, as the real one is: EC2's endpoint has none."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

_LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def token_service() -> Iterator[str]:
    """Serve STS while the block runs; yields its URL, for ``AWS_ENDPOINT_URL_STS``."""
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server(_LOOPBACK, 0, app, threaded=True)
    # Short polls, or every stop takes half a second.
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="sts", daemon=True)
    thread.start()
    try:
        yield f"http://{_LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
