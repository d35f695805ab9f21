"""What the admission service of danm answers, also while it lists everything again (DW)."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

from moorage_danm.webhook.registration import PATH
from moorage_kube.webhook.authority import Lifetimes, renewed

from .danm_pages import GROUP, NAMESPACE, NETWORK, address, pod_name
from .report import step
from .rows import NO_SEED, Row
from .webhook_load import CONNECTIONS, RATE, Load, connected, request_of, serving, timed

NODES = 1000
SECONDS = 5.0
WARM_UP_SECONDS = 1.0
STEADY_TARGET_MS = 5.0
REQUEST_TARGET_MS = 0.2  # 5,000 requests in a second
RELIST_TARGET_MS = 25.0
START_TARGET_SECONDS = 10.0
MEMORY_TARGET_MIB = 200.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one service did: loads, seconds of the start and of the lists, MiB."""

    closed: Load
    steady: Load
    relisting: Load
    start_seconds: float
    relist_seconds: float
    mebibytes: float


def danm_webhook_rows(endpoints: int) -> list[Row]:
    """DW: over TLS on loopback, each pod asks for an address that another one runs with."""
    with step("admission service of danm"):
        seen = _measure(endpoints)
    size = f"{endpoints:,} DanmEps, as many pods, {NODES:,} nodes"
    setup = f"{size}; {CONNECTIONS} kept TLS connections, {len(_body()):,} bytes each"
    steady, closed, relisting = seen.steady, seen.closed, seen.relisting
    return [
        Row(
            "DWa", f"danm webhook p99 at {RATE:,.0f} requests/s", STEADY_TARGET_MS,
            steady.percentile(0.99), "ms", NO_SEED,
            f"{setup}; seen {steady.per_second:,.0f}/s, median {steady.percentile(0.5):.2f} ms,"
            f" p99.9 {steady.percentile(0.999):.1f} ms.",
        ),
        Row(
            "DWb", "time of one danm webhook request, closed loop, one process", REQUEST_TARGET_MS,
            1000 / closed.per_second, "ms", NO_SEED,
            f"{setup}; {closed.per_second:,.0f} requests/s. CPU of the service: {closed.cpu_ms:.3f}"
            f" ms each; of who asks: {closed.client_cpu_ms:.3f} ms.",
        ),
        Row(
            "DWc", "danm webhook p99 while everything is listed again", RELIST_TARGET_MS,
            relisting.percentile(0.99), "ms", NO_SEED,
            f"{setup}, {RATE:,.0f} requests/s during {seen.relist_seconds:.1f} s of lists; longest"
            f" {relisting.percentile(1.0):.1f} ms. The lists come from a third process.",
        ),
        Row(
            "DWd", "danm webhook: start of the process to its first answer", START_TARGET_SECONDS,
            seen.start_seconds, "s", NO_SEED, size,
        ),
        Row(
            "DWe", "danm webhook: memory once it has listed all twice", MEMORY_TARGET_MIB,
            seen.mebibytes, "MiB", NO_SEED, size,
        ),
    ]  # fmt: skip


def _body() -> bytes:
    """About 8 kB: a pod of another workload that asks for the address of the first one."""
    env = [{"name": f"E{number}", "value": "v" * 40} for number in range(90)]
    wanted = orjson.dumps([{"network": NETWORK, "ip": address(7)}]).decode()
    pod = {
        "metadata": {
            "name": pod_name(7) + "-new",
            "namespace": NAMESPACE,
            "annotations": {f"{GROUP}/interfaces": wanted},
        },
        "spec": {"containers": [{"name": "main", "image": "registry/image:1", "env": env}]},
    }
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "new",
        "namespace": NAMESPACE,
        "operation": "CREATE",
        "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
        "object": pod,
        "dryRun": False,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return orjson.dumps(review)


def _measure(endpoints: int) -> Measured:
    now = dt.datetime.now(dt.UTC)
    bundle = renewed(None, ("localhost",), now, trusted_since=now, lifetimes=Lifetimes())
    module = "tests.bench.danm_webhook_server"
    with tempfile.TemporaryDirectory() as folder, _api(endpoints) as port:
        begun = time.perf_counter()
        with serving(Path(folder), bundle, module, port) as process:
            callers = connected(process, bundle, request_of(PATH, _body()))
            callers.closed_loop(0.0)
            started = time.perf_counter() - begun
            callers.closed_loop(WARM_UP_SECONDS)
            closed = timed(process, callers.closed_loop, SECONDS)
            steady = timed(process, callers.steady, SECONDS)
            process.send_signal(signal.SIGUSR1)
            relisting = timed(process, callers.steady, SECONDS)
            relist_seconds = float(_line(process))
            memory = psutil.Process(process.pid).memory_info().rss / 2**20
            callers.close()
    return Measured(closed, steady, relisting, started, relist_seconds, memory)


@contextlib.contextmanager
def _api(endpoints: int) -> Iterator[str]:
    """The API server's port."""
    argv = [sys.executable, "-m", "tests.bench.danm_pages", str(endpoints), str(NODES)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            yield _line(process).strip()
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    return process.stdout.readline()
