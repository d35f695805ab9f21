"""A real Prometheus scrapes what it is pointed at, and tells alerts and errors by name."""

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
pytestmark = pytest.mark.timeout(1200)

RULES = """
groups:
  - name: harbour
    rules:
      - alert: Flood
        expr: boats > 2
"""


class Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nobody reads it."""


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """Without the means to build the tools nothing can be tested; with CI set that is a failure."""
    try:
        toolchain.tool_paths(["promtool", "prometheus"])
    except ToolMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def boats() -> Iterator[tuple[Gauge, str]]:
    """A gauge, and where it is to be scraped."""
    registry = CollectorRegistry()
    gauge = Gauge("boats", "Boats.", registry=registry)
    with make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield gauge, f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_it_scrapes_and_raises_alerts(boats: tuple[Gauge, str], tmp_path: Path) -> None:
    gauge, target = boats
    gauge.set(2)
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    with Run.open() as run:
        server = Prometheus.start(run, [target], [rules])

        def seen() -> list[float]:
            return [sample.value for sample in server.query("boats")]

        wait_for(lambda: seen() == [2.0], 30, "the gauge to be scraped")
        wait_for(lambda: server.rules() == {"Flood": "ok"}, 30, "the rule to be evaluated")
        assert server.alerts() == []
        gauge.set(3)
        wait_for(lambda: server.alerts() == ["Flood"], 30, "the alert")
        (sample,) = server.query("boats")
        assert (sample.labels["__name__"], sample.labels["instance"]) == ("boats", target)
        assert [sample.value for sample in server.query("scalar(boats)")] == [3.0]
        with pytest.raises(QueryError, match="parse error"):
            server.query("boats[")


def test_what_promtool_says_is_told() -> None:
    assert "SUCCESS" in promtool("check", "rules", "/dev/stdin", stdin=RULES)
    with pytest.raises(PromtoolError, match="could not parse expression"):
        promtool("check", "rules", "/dev/stdin", stdin=RULES.replace("> 2", "> > 2"))
