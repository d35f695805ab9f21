"""Reads the expressions of alerts and dashboards, and the names in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_MATCHERS = re.compile(r"\{([^{}]*)\}")
_GROUPING = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)", re.IGNORECASE
)
_RANGE = re.compile(r"\[[^\]]*\]")
# Possessive, so that a function does not match as a name that is one letter shorter.
_WORD = re.compile(r"(?<![\w.:$])[a-zA-Z_:][\w:]*+(?!\s*\()")
_KEYWORDS = frozenset(
    {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "group_left", "group_right"}
)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule.

    Attributes:
        waits: how long the expression must hold, as Prometheus writes it; ``""`` = not at all.
    """

    name: str
    expression: str
    waits: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def alerts(path: Path) -> tuple[Alert, ...]:
    """Every alert of a file of rule groups."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return tuple(
        Alert(rule["alert"], rule["expr"], rule.get("for", ""), rule["labels"], rule["annotations"])
        for group in groups
        for rule in group["rules"]
    )


def panels(path: Path) -> tuple[tuple[str, str], ...]:
    """Title and expression of every query of a Grafana dashboard, in the order of its panels."""
    board = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        (panel["title"], target["expr"])
        for panel in board["panels"]
        for target in panel.get("targets", ())
    )


def metric_names(expression: str) -> frozenset[str]:
    """The series an expression selects by name; no function, label, keyword or unit."""
    bare = _STRING.sub('""', expression)
    for pattern in (_MATCHERS, _GROUPING, _RANGE):
        bare = pattern.sub(" ", bare)
    return frozenset(word for word in _WORD.findall(bare) if word.lower() not in _KEYWORDS)


def label_names(expression: str) -> frozenset[str]:
    """The labels an expression selects, groups or matches by."""
    bare = _STRING.sub('""', expression)
    matched = (part for found in _MATCHERS.findall(bare) for part in found.split(","))
    grouped = (part for found in _GROUPING.findall(bare) for part in found.split(","))
    names = (re.split(r"[=!~]", part)[0].strip() for part in (*matched, *grouped))
    return frozenset(name for name in names if name)
