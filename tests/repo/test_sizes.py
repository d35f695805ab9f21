"""Modules are small, say what they are for, and give a reason where they break a rule."""

from __future__ import annotations

import ast
import io
import re
import tokenize

import pytest

from .files import python_files, shown

MOST_LINES = 400
# Lists of sentences; splitting one by its length would not help.
MODULES = [path for path in python_files() if not path.name.startswith("test_")]

# A code, then a reason: "noqa: S311 - spreads load only", "type: ignore[arg-type]  # on purpose".
_EXEMPTION = re.compile(r"noqa\b|type:\s*ignore\b")
_CODED = re.compile(r"(?:noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|type:\s*ignore\[[a-z, -]+\])")


def introduced(text: str) -> bool:
    """Whether a module begins with a docstring of one sentence."""
    return text.startswith('"""') and bool(ast.get_docstring(ast.parse(text)))


def unreasoned(text: str) -> list[str]:
    """Comments that exempt a line from a rule without a code or without a reason."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = (token.string for token in tokens if token.type == tokenize.COMMENT)
    return [one for one in comments if _EXEMPTION.match(one.lstrip("# ")) and not _reasoned(one)]


def _reasoned(comment: str) -> bool:
    """Whether words remain after all exemptions with codes are removed."""
    rest = _CODED.sub("", comment)
    return not _EXEMPTION.search(rest) and bool(re.search(r"\w{3}", rest))


def test_no_module_is_longer_than_the_limit() -> None:
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_the_first_line_says_what_a_file_is_for() -> None:
    assert [shown(path) for path in python_files() if not introduced(path.read_text("utf-8"))] == []


def test_every_exemption_has_a_code_and_a_reason() -> None:
    found = {shown(path): unreasoned(path.read_text("utf-8")) for path in python_files()}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("text", ["", "x = 1\n", 'import os\n"""Late."""\n', '""""""\n'])
def test_a_file_that_does_not_say_what_it_is_for_is_noticed(text: str) -> None:
    assert not introduced(text)


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ("x = 1  # noqa", False),
        ("x = 1  # noqa: S311", False),
        ("x = 1  # type: ignore  # no code given", False),
        ("x = 1  # type: ignore[arg-type]", False),
        ("x = 1  # noqa: S311, PLR2004 - spreads load only", True),
        ("x = 1  # type: ignore[arg-type]  # noqa: S311 - on purpose", True),
        ("x = '# noqa'  # an ordinary comment", True),
    ],
)
def test_an_exemption_needs_a_code_and_a_reason(line: str, good: bool) -> None:  # noqa: FBT001 - a column of the table
    assert (unreasoned(f"{line}\n") == []) is good
