"""The threat model names tests that exist, for every actor and attack."""

from __future__ import annotations

import ast
import re

from .files import ROOT, python_files

MODEL = ROOT / "docs" / "threat-model.md"
_TEST = re.compile(r"`(test_\w+)`")


def all_tests() -> set[str]:
    """Every test of the repository, by its name."""
    return {
        node.name
        for path in python_files()
        if path.name.startswith("test_") or "suite" in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def attacks(text: str) -> list[str]:
    """The rows of its tables, without their heads."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if row != "| attack | what stops it | test |"]


def without_a_test(text: str, known: set[str]) -> list[str]:
    """Attacks beside which no test is named, or one that is not there."""
    return [
        row
        for row in attacks(text)
        if not (named := set(_TEST.findall(row.split(" | ")[-1]))) or not named <= known
    ]


def test_every_attack_has_a_test_that_exists() -> None:
    text = MODEL.read_text("utf-8")
    assert attacks(text)
    assert without_a_test(text, all_tests()) == []


def test_an_attack_without_a_test_would_be_found() -> None:
    head = "| attack | what stops it | test |\n|---|---|---|\n"
    good = head + "| a | `test_b` | `test_a` |\n"
    assert without_a_test(good, {"test_a"}) == []
    for last in ("", "nothing", "`test_none`", "`test_a`, `test_none`"):
        assert without_a_test(f"{good}| b | c | {last} |\n", {"test_a"}) != []
