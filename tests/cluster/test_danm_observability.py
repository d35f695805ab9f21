"""Metrics, alerts and the dashboard of both processes of danm, as a real Prometheus sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from lab_danm_admission import Callers, admission
from lab_danm_cluster import danm_lab
from lab_prometheus import check_dashboard, need_tools, undescribed
from test_danm import with_old
from test_danm_webhook import callers, wait_called

from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

__all__ = ["callers"]

# The first run of all builds Prometheus, which is no part of any test: a slow machine takes longer.
pytestmark = pytest.mark.timeout(1200, func_only=True)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    need_tools()


@pytest.fixture(scope="module")
def processes(callers: Callers, host: str) -> Iterator[Sequence[Child]]:
    """The controller, which has freed an address, and the webhook, which has spoken of one."""
    with danm_lab(callers.cluster) as lab, admission(callers, host) as asked:
        dead, _ = with_old(lab)
        controller = lab.started()
        lab.fence(dead)
        wait_for(lambda: not lab.endpoints("old"), PATIENCE, "the endpoint to go")
        asked.holder()
        webhook = asked.start()
        wait_called(asked)
        yield controller, webhook


def test_every_series_is_described_and_named_as_it_should_be(processes: Sequence[Child]) -> None:
    assert undescribed("danm", *processes) == set()


def test_every_panel_shows_something_and_no_alert_is_pending(processes: Sequence[Child]) -> None:
    check_dashboard("danm", *processes)
