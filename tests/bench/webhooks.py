"""What a webhook server can do: latency at a steady rate, and the most one process answers (WH)."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import orjson

from moorage_kube.webhook.authority import Lifetimes, renewed

from .report import step
from .rows import NO_SEED, Row
from .webhook_load import CONNECTIONS, RATE, Load, connected, request_of, serving, timed
from .webhook_server import PATH

SECONDS = 5.0
WARM_UP_SECONDS = 1.0
LATENCY_TARGET_MS = 5.0
REQUEST_TARGET_MS = 0.2  # 5,000 requests in a second
_POD = {
    "metadata": {"name": "p", "namespace": "shop", "labels": {"owner": "jane"}},
    "spec": {
        "containers": [
            {
                "name": f"c{number}",
                "image": "registry/image:1",
                "env": [{"name": f"E{each}", "value": "v" * 20} for each in range(10)],
            }
            for number in range(3)
        ]
    },
}
_BODY = orjson.dumps(
    {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "p",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": _POD,
            "dryRun": False,
        },
    }
)


def webhook_rows() -> list[Row]:
    """WH: over TLS on loopback, on kept connections as the API server has them."""
    with step("webhooks"):
        steady, closed = _measure()
    setup = f"{CONNECTIONS} kept TLS connections, {len(_BODY):,} bytes each, {SECONDS:g} s"
    return [
        Row(
            "WHa", f"webhook p99 at {RATE:,.0f} requests/s", LATENCY_TARGET_MS,
            steady.percentile(0.99), "ms", NO_SEED,
            f"{setup}; counted from when a request was due. Seen {steady.per_second:,.0f}/s, median"
            f" {steady.percentile(0.5):.2f} ms, longest {steady.percentile(1.0):.1f} ms.",
        ),
        Row(
            "WHb", "time of one webhook request, closed loop, one process", REQUEST_TARGET_MS,
            1000 / closed.per_second, "ms", NO_SEED,
            f"{setup}; {closed.per_second:,.0f} requests/s. CPU of the server: {closed.cpu_ms:.3f}"
            f" ms each, which alone would be {1000 / closed.cpu_ms:,.0f}/s; of who asks:"
            f" {closed.client_cpu_ms:.3f} ms.",
        ),
    ]  # fmt: skip


def _measure() -> tuple[Load, Load]:
    now = dt.datetime.now(dt.UTC)
    bundle = renewed(None, ("localhost",), now, trusted_since=now, lifetimes=Lifetimes())
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), bundle, "tests.bench.webhook_server") as process,
    ):
        callers = connected(process, bundle, request_of(PATH, _BODY))
        callers.closed_loop(WARM_UP_SECONDS)
        closed = timed(process, callers.closed_loop, SECONDS)
        steady = timed(process, callers.steady, SECONDS)
        callers.close()
    return steady, closed
