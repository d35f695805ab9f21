"""A real Prometheus on loopback, promtool, and the expressions of alerts and dashboards."""

from moorage_testing.prometheus.promql import Alert, alerts, label_names, metric_names, panels
from moorage_testing.prometheus.server import (
    Prometheus,
    PromtoolError,
    QueryError,
    Sample,
    promtool,
)

__all__ = [
    "Alert",
    "Prometheus",
    "PromtoolError",
    "QueryError",
    "Sample",
    "alerts",
    "label_names",
    "metric_names",
    "panels",
    "promtool",
]
