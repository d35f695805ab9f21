"""The names in an expression are found, in every kind of expression."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moorage_testing.prometheus import Alert, alerts, label_names, metric_names, panels


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ("nodes", {"nodes"}, set()),
        ("nodes == 0 or absent(nodes)", {"nodes"}, set()),
        ('nodes{cluster=~"$cluster", kind!="virtual{}"} offset 5m', {"nodes"}, {"cluster", "kind"}),
        ("sum by (cluster) (rate(nodes_total[$__rate_interval])) * 1e3", {"nodes_total"},
         {"cluster"}),
        ("a and on (x, y) group_left () b unless ignoring(z) c", {"a", "b", "c"}, {"x", "y", "z"}),
        ("histogram_quantile(0.9, sum by (le) (nodes_bucket)) > bool Inf", {"nodes_bucket"},
         {"le"}),
        ("time() - max without (pod) (job:nodes:sum)", {"job:nodes:sum"}, {"pod"}),
        ("1 - vector(0)", set(), set()),
    ],
)  # fmt: skip
def test_names_are_distinguished_from_everything_else(
    expression: str, metrics: set[str], labels: set[str]
) -> None:
    assert metric_names(expression) == metrics
    assert label_names(expression) == labels


def test_alerts_are_read_with_all_their_fields(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    rule = {"alert": "Flood", "expr": "nodes > 2", "labels": {"a": "b"}, "annotations": {"c": "d"}}
    file.write_text(json.dumps({"groups": [{"rules": [rule, rule | {"for": "5m"}]}]}))
    assert alerts(file) == tuple(
        Alert("Flood", "nodes > 2", waits, {"a": "b"}, {"c": "d"}) for waits in ("", "5m")
    )


def test_a_panel_has_as_many_queries_as_it_draws(tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    panel = {"title": "Nodes", "targets": [{"expr": "nodes"}, {"expr": "pods"}]}
    file.write_text(json.dumps({"panels": [{"title": "A row", "panels": []}, panel]}))
    assert panels(file) == (("Nodes", "nodes"), ("Nodes", "pods"))
