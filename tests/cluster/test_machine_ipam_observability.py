"""Metrics, alerts and the dashboard of a running machine-ipam, as a real Prometheus sees them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_prometheus import check_dashboard, need_tools, undescribed
from test_machine_ipam import Lab, lab

from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

__all__ = ["lab"]

# The first run of all builds Prometheus, which is no part of any test: a slow machine takes longer.
pytestmark = pytest.mark.timeout(1200, func_only=True)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    need_tools()


@pytest.fixture
def leader(lab: Lab) -> Iterator[Child]:
    """With a pool and two claims that have their addresses."""
    lab.pool()
    lab.claim("a", "b")
    child = lab.start()
    lab.wait_bound(2)
    yield child
    for name in ("a", "b"):
        lab.delete(name)
    wait_for(lab.is_empty, PATIENCE, "all to be released")


def test_every_series_is_described_and_named_as_it_should_be(leader: Child) -> None:
    # Those of Machines are there with --hook-config and --watch-machines.
    found = undescribed("machine-ipam", leader)
    assert {name for name in found if not name.startswith("moorage_machines_")} == set()


def test_every_panel_shows_something_and_no_alert_is_pending(leader: Child) -> None:
    check_dashboard("machine-ipam", leader)
