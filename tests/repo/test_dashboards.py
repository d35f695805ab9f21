"""Alerts and panels use metrics that exist, and every alert says what to do."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from moorage_testing.prometheus import Alert, alerts, label_names, metric_names, panels

from .files import ROOT
from .tables import series

FOLDER = ROOT / "dashboards"
ALERTS = alerts(FOLDER / "rules.yaml")
PANELS = panels(FOLDER / "grafana.json")
BOARD = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
HEADINGS = re.findall(r"^### (\w+)$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
EXPRESSIONS = [*PANELS, *((one.name, one.expression) for one in ALERTS)]
ENDINGS = {"histogram": ("_bucket", "_sum", "_count")}
# As in the first version.
ROWS = ["Controller Overview", "CRD Status", "IP Allocation", "Node Status", "Operations & Errors"]


def exported() -> dict[str, set[str]]:
    """Every series of the controller, as Prometheus stores it, with its labels."""
    found = {}
    for name, kind, labels, _ in series():
        for ending in ENDINGS.get(kind, ("",)):
            found[name + ending] = {*labels, "cluster", *(["le"] if ending == "_bucket" else [])}
    return found


def unknown(expression: str) -> frozenset[str]:
    """Series and labels that an expression uses and the controller does not export."""
    known = exported()
    names = metric_names(expression)
    labels = set().union(*(known.get(name, set()) for name in names))
    return (names - known.keys()) | (label_names(expression) - labels)


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_every_series_of_an_expression_is_exported(title: str, expression: str) -> None:
    assert metric_names(expression), f"{title} asks for nothing"
    assert unknown(expression) == set()


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
    assert unknown(expression) == wrong


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_a_severity_a_summary_and_advice(alert: Alert) -> None:
    assert alert.labels["severity"] in ("critical", "warning", "info")
    assert alert.annotations["summary"]
    assert alert.annotations["description"]
    assert alert.annotations["runbook"] == f"dashboards/README.md#{alert.name.lower()}"


def test_exactly_the_alerts_are_described_in_the_readme() -> None:
    assert sorted(HEADINGS) == sorted(alert.name for alert in ALERTS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_has_a_test_in_which_it_fires(alert: Alert) -> None:
    fires = [
        sample
        for path in (FOLDER / "tests").glob("*.yaml")
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]
        for query in test["promql_expr_test"]
        for sample in query["exp_samples"]
        if f'alertname="{alert.name}"' in sample["labels"] and sample["value"] == 1
    ]
    assert fires


def test_the_dashboard_has_the_rows_it_had() -> None:
    assert [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"] == ROWS


def test_the_dashboard_lets_datasource_and_cluster_be_chosen() -> None:
    variables = {one["name"]: one for one in BOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "cluster"]
    # A matcher of any cluster also matches series without the label.
    assert variables["cluster"]["allValue"] == ".*"
    (asked,) = metric_names(variables["cluster"]["query"]["query"]) & exported().keys()
    assert asked == "netipallocation_controller_healthy"


@pytest.mark.parametrize(("title", "expression"), PANELS)
def test_every_series_of_a_panel_is_filtered_by_the_cluster(title: str, expression: str) -> None:
    selected = re.findall(r"\w+\{([^}]*)\}", expression)
    assert len(selected) >= len(metric_names(expression)), title
    assert all('cluster=~"$cluster"' in matchers for matchers in selected)


def test_panels_have_different_ids_and_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    cells = [
        (place["x"] + column, place["y"] + line)
        for place in places
        for column in range(place["w"])
        for line in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(numbers) == len(set(numbers))
