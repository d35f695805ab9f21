"""A real Prometheus scrapes its targets, and reports alerts and errors by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app

from moorage_testing.cluster import ToolMissingError, toolchain
from moorage_testing.processes import Run
from moorage_testing.prometheus import Prometheus, PromtoolError, QueryError, promtool
from moorage_testing.waiting import wait_for

# The first run of all builds both tools.
pytestmark = pytest.mark.timeout(1200, func_only=True)

RULES = """
groups:
  - name: cluster
    rules:
      - alert: Flood
        expr: nodes > 2
"""


class Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Log nothing."""


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """The tools; skips the tests where they cannot be built, and fails where CI is set."""
    try:
        toolchain.tool_paths(["promtool", "prometheus"])
    except ToolMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def nodes() -> Iterator[tuple[Gauge, str]]:
    """A gauge, and the address to scrape it from."""
    registry = CollectorRegistry()
    gauge = Gauge("nodes", "Nodes.", registry=registry)
    with make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield gauge, f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_it_scrapes_and_raises_alerts(nodes: tuple[Gauge, str], tmp_path: Path) -> None:
    gauge, target = nodes
    gauge.set(2)
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    with Run.open() as run:
        server = Prometheus.start(run, [target], [rules])

        def values() -> list[float]:
            return [sample.value for sample in server.query("nodes")]

        wait_for(lambda: values() == [2.0], 30, "the gauge to be scraped")
        wait_for(lambda: server.rules() == {"Flood": "ok"}, 30, "the rule to be evaluated")
        assert server.alerts() == []
        gauge.set(3)
        wait_for(lambda: server.alerts() == ["Flood"], 30, "the alert")
        (sample,) = server.query("nodes")
        assert (sample.labels["__name__"], sample.labels["instance"]) == ("nodes", target)
        assert [sample.value for sample in server.query("scalar(nodes)")] == [3.0]
        with pytest.raises(QueryError, match="parse error"):
            server.query("nodes[")


def test_the_error_contains_promtools_output() -> None:
    assert "SUCCESS" in promtool("check", "rules", "/dev/stdin", stdin=RULES)
    with pytest.raises(PromtoolError, match="could not parse expression"):
        promtool("check", "rules", "/dev/stdin", stdin=RULES.replace("> 2", "> > 2"))
