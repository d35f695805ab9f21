"""Alerts and panels use metrics that exist, and every alert says what to do."""

from __future__ import annotations

import functools
import json
import re

import pytest
import yaml

from moorage_testing.prometheus import Alert, alerts, label_names, metric_names, panels

from .files import ROOT
from .parts import PARTS

FOLDER = ROOT / "dashboards"
ALERTS = {part: alerts(FOLDER / part / "rules.yaml") for part in PARTS}
PANELS = {part: panels(FOLDER / part / "grafana.json") for part in PARTS}
BOARDS = {part: json.loads((FOLDER / part / "grafana.json").read_text("utf-8")) for part in PARTS}
HEADINGS = re.findall(r"^### (\w+)$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
ALL_ALERTS = [(part, alert) for part in PARTS for alert in ALERTS[part]]
ALL_PANELS = [(part, *panel) for part in PARTS for panel in PANELS[part]]
EXPRESSIONS = [*ALL_PANELS, *((part, one.name, one.expression) for part, one in ALL_ALERTS)]
ENDINGS = {"histogram": ("_bucket", "_sum", "_count")}
# As in the first version.
ROWS = ["Controller Overview", "CRD Status", "IP Allocation", "Node Status", "Operations & Errors"]
# What every replica of a part shows, so that each cluster can be found by it.
IN_EVERY_CLUSTER = {
    "core": "netipallocation_controller_healthy",
    "machine-ipam": "moorage_machine_ipam_healthy",
    "external-ip": "moorage_external_ip_healthy",
    "endpoints": "moorage_endpoints_healthy",
    "node-agent": "moorage_node_agent_healthy",
    "danm": "moorage_danm_healthy",
}

each_alert = pytest.mark.parametrize(
    ("part", "alert"), ALL_ALERTS, ids=[alert.name for _, alert in ALL_ALERTS]
)


@functools.cache
def exported(part: str) -> dict[str, set[str]]:
    """Every series of a controller, as Prometheus stores it, with its labels."""
    found = {}
    for name, kind, labels, _ in PARTS[part].series():
        for ending in ENDINGS.get(kind, ("",)):
            found[name + ending] = {*labels, "cluster", *(["le"] if ending == "_bucket" else [])}
    return found


def unknown(part: str, expression: str) -> frozenset[str]:
    """Series and labels that an expression uses and the controller does not export."""
    known = exported(part)
    names = metric_names(expression)
    labels = set().union(*(known.get(name, set()) for name in names))
    return (names - known.keys()) | (label_names(expression) - labels)


@pytest.mark.parametrize(("part", "title", "expression"), EXPRESSIONS)
def test_every_series_of_an_expression_is_exported(part: str, title: str, expression: str) -> None:
    assert metric_names(expression), f"{title} asks for nothing"
    assert unknown(part, expression) == set()


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("netipallocation_crd_statuses == 0", {"netipallocation_crd_statuses"}),
        ('netipallocation_crd_status{crd="a"}', {"crd"}),
        ("sum by (node) (netipallocation_crd_status)", {"node"}),
        ("rate(netipallocation_reconcile_duration_seconds[5m])",
         {"netipallocation_reconcile_duration_seconds"}),
    ],
)  # fmt: skip
def test_a_series_that_is_not_exported_is_noticed(expression: str, wrong: set[str]) -> None:
    assert unknown("core", expression) == wrong


@each_alert
def test_an_alert_has_a_severity_a_summary_and_advice(part: str, alert: Alert) -> None:
    del part
    assert alert.labels["severity"] in ("critical", "warning", "info")
    assert alert.annotations["summary"]
    assert alert.annotations["description"]
    assert alert.annotations["runbook_url"] == f"dashboards/README.md#{alert.name.lower()}"


def test_exactly_the_alerts_are_described_in_the_readme() -> None:
    assert sorted(HEADINGS) == sorted(alert.name for _, alert in ALL_ALERTS)


def test_harm_20_more_than_one_leader_is_an_alert() -> None:
    (alert,) = [one for one in ALERTS["core"] if one.name == "NetIPAllocationMoreThanOneLeader"]
    assert alert.expression == "sum by (cluster) (netipallocation_controller_is_leader) > 1"
    assert alert.labels["severity"] == "critical"


@each_alert
def test_harm_29_an_alert_links_to_what_to_do_about_it(part: str, alert: Alert) -> None:
    del part
    assert "runbook" not in alert.annotations
    assert alert.annotations["runbook_url"].endswith(f"#{alert.name.lower()}")


def test_harm_29_the_dashboard_speaks_of_allocations_and_has_no_panel_of_one_cloud() -> None:
    titles = {panel["title"]: panel for panel in BOARDS["core"]["panels"]}
    assert {"Allocations", "Moves by Reason", "Evictions"} <= titles.keys()
    assert "CRDs" not in titles
    assert not [text for *_, text in PANELS["core"] if "gcp" in text]
    steps = titles["Leader"]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(one["value"], one["color"]) for one in steps] == [
        (None, "red"), (1, "green"), (2, "red"),
    ]  # fmt: skip


@each_alert
def test_every_alert_has_a_test_in_which_it_fires(part: str, alert: Alert) -> None:
    fires = [
        sample
        for path in (FOLDER / part / "tests").glob("*.yaml")
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]
        for query in test["promql_expr_test"]
        for sample in query["exp_samples"]
        if f'alertname="{alert.name}"' in sample["labels"] and sample["value"] == 1
    ]
    assert fires


def test_the_dashboard_has_the_rows_it_had() -> None:
    assert [panel["title"] for panel in BOARDS["core"]["panels"] if panel["type"] == "row"] == ROWS


@pytest.mark.parametrize("part", PARTS)
def test_the_dashboard_lets_datasource_and_cluster_be_chosen(part: str) -> None:
    variables = {one["name"]: one for one in BOARDS[part]["templating"]["list"]}
    assert list(variables) == ["datasource", "cluster"]
    # A matcher of any cluster also matches series without the label.
    assert variables["cluster"]["allValue"] == ".*"
    (asked,) = metric_names(variables["cluster"]["query"]["query"]) & exported(part).keys()
    assert asked == IN_EVERY_CLUSTER[part]


@pytest.mark.parametrize(("part", "title", "expression"), ALL_PANELS)
def test_every_series_of_a_panel_is_filtered_by_the_cluster(
    part: str, title: str, expression: str
) -> None:
    selected = re.findall(r"\w+\{([^}]*)\}", expression)
    assert len(selected) >= len(metric_names(expression)), (part, title)
    assert all('cluster=~"$cluster"' in matchers for matchers in selected)


@pytest.mark.parametrize("part", PARTS)
def test_panels_have_different_ids_and_do_not_overlap(part: str) -> None:
    board = BOARDS[part]
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [
        (place["x"] + column, place["y"] + line)
        for place in places
        for column in range(place["w"])
        for line in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))


def test_dashboards_and_groups_of_alerts_have_names_of_their_own() -> None:
    for key in ("uid", "title"):
        assert len({board[key] for board in BOARDS.values()}) == len(PARTS)
    groups = [
        group["name"]
        for part in PARTS
        for group in yaml.safe_load((FOLDER / part / "rules.yaml").read_text("utf-8"))["groups"]
    ]
    assert len(groups) == len(set(groups))
