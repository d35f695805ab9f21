"""The names in an expression are found, whatever else stands in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moorage_testing.prometheus import Alert, alerts, label_names, metric_names, panels


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ("boats", {"boats"}, set()),
        ("boats == 0 or absent(boats)", {"boats"}, set()),
        ('boats{harbour=~"$harbour", kind!="sail{}"} offset 5m', {"boats"}, {"harbour", "kind"}),
        ("sum by (harbour) (rate(boats_total[$__rate_interval])) * 1e3", {"boats_total"},
         {"harbour"}),
        ("a and on (x, y) group_left () b unless ignoring(z) c", {"a", "b", "c"}, {"x", "y", "z"}),
        ("histogram_quantile(0.9, sum by (le) (boats_bucket)) > bool Inf", {"boats_bucket"},
         {"le"}),
        ("time() - max without (pod) (job:boats:sum)", {"job:boats:sum"}, {"pod"}),
        ("1 - vector(0)", set(), set()),
    ],
)  # fmt: skip
def test_names_are_told_from_all_else(expression: str, metrics: set[str], labels: set[str]) -> None:
    assert metric_names(expression) == metrics
    assert label_names(expression) == labels


def test_alerts_are_read_with_all_they_say(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    rule = {"alert": "Flood", "expr": "boats > 2", "labels": {"a": "b"}, "annotations": {"c": "d"}}
    file.write_text(json.dumps({"groups": [{"rules": [rule, rule | {"for": "5m"}]}]}))
    assert alerts(file) == tuple(
        Alert("Flood", "boats > 2", waits, {"a": "b"}, {"c": "d"}) for waits in ("", "5m")
    )


def test_a_panel_has_as_many_queries_as_it_draws(tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    panel = {"title": "Boats", "targets": [{"expr": "boats"}, {"expr": "ferries"}]}
    file.write_text(json.dumps({"panels": [{"title": "A row", "panels": []}, panel]}))
    assert panels(file) == (("Boats", "boats"), ("Boats", "ferries"))
