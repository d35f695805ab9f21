"""What a real Prometheus makes of running controllers, their alerts and their dashboard."""

from __future__ import annotations

import contextlib
import os
import re
from functools import partial
from pathlib import Path

import pytest
from lab_pages import answer

from moorage_testing.cluster import ToolMissingError, toolchain
from moorage_testing.processes import Child, Run
from moorage_testing.prometheus import Prometheus, panels, promtool
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

ROOT = Path(__file__).parents[2]


def need_tools() -> None:
    """Without the means to build them nothing can be tested; with CI set that is a failure."""
    try:
        toolchain.tool_paths(["promtool", "prometheus"])
    except ToolMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def undescribed(part: str, *children: Child) -> set[str]:
    """Series that only /metrics or only the README of a part has; what is wrong in itself fails.

    ``children``: one process of each kind that the part has.
    """
    readme = (ROOT / f"packages/{part}/README.md").read_text("utf-8")
    described = set(re.findall(r"^\| `(moorage_\w+)` \|", readme, re.MULTILINE))
    return described ^ set().union(*map(_series, children))


def _series(child: Child) -> set[str]:
    text = answer(child, "/metrics")[1]
    # The declared type, since a histogram and a counter show more than one name each.
    declared = re.findall(r"(?m)^# TYPE (moorage_\w+) \w+$", text)
    shown = {name for name in declared if not name.endswith("_created")}
    assert shown
    promtool("check", "metrics", stdin=text)
    return shown


def check_dashboard(part: str, *children: Child) -> None:
    """Every panel shows something of these, every rule can be read, no alert is pending."""
    for child in children:
        wait_for(partial(_is_ready, child), PATIENCE, "it to be ready")
    ports = [re.search(r'"port": (\d+)', child.log.read_text()) for child in children]
    targets = [f"127.0.0.1:{port[1]}" for port in ports if port]
    folder = ROOT / "dashboards" / part
    asked = [
        expression.replace("$cluster", ".*").replace("$__rate_interval", "30s")
        for _, expression in panels(folder / "grafana.json")
    ]
    with Run.open() as run:
        prometheus = Prometheus.start(run, targets, [folder / "rules.yaml"])

        def empty() -> list[str]:
            return [query for query in asked if not prometheus.query(query)]

        with contextlib.suppress(WaitTimeoutError):  # which would not name the queries
            wait_for(lambda: not empty(), PATIENCE, "data in every panel")
        missing = empty()
        assert not missing, missing
        wait_for(lambda: set(prometheus.rules().values()) == {"ok"}, PATIENCE, "every rule")
        # Before the first scrape there was nobody.
        with contextlib.suppress(WaitTimeoutError):  # which would not name the alerts
            wait_for(lambda: prometheus.alerts() == [], PATIENCE, "no alert")
        pending = prometheus.alerts()
        assert not pending, pending


def _is_ready(child: Child) -> bool:
    return answer(child, "/readyz")[0] == 200
