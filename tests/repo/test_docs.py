"""Names in documents and docstrings exist: modules, commands, files."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from .files import (
    ROOT,
    blocks,
    code_spans,
    documents,
    python_files,
    repository_files,
    shown,
)

_DOTTED = re.compile(r"moorage_\w+(?:\.\w+)+")
_IMPORTED = re.compile(r"^\s*from (moorage_[\w.]+) import ([\w, ]+)$", re.MULTILINE)
_SESSION = re.compile(r"\bnox -s [\"']?([a-z0-9_]+)")
_PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*/?")
_LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".mod", ".txt"}
TEXTS = [*documents(), *python_files()]
# What only a build makes, such as dist, may be named before it is there.
_ROOMS = {shown(path).partition("/")[0] for path in repository_files()}


@cache
def resolves(dotted: str) -> bool:
    """Whether a module, or something in one, has this name."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            if not hasattr(found, name):
                # A field of a slotted dataclass without a default is known by its annotation.
                return name in getattr(found, "__annotations__", {})
            found = getattr(found, name)
        return True
    return False


def names_without_a_thing(text: str) -> list[str]:
    """Dotted names in backticks, and imports in examples, that do not exist."""
    named = {span for span in code_spans(text) if _DOTTED.fullmatch(span)}
    for block in blocks(text):
        for module, names in _IMPORTED.findall(block):
            named |= {f"{module}.{name.strip()}" for name in names.split(",")}
    return sorted(name for name in named if not resolves(name))


@cache
def sessions() -> set[str]:
    """The sessions of the noxfile."""
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("nox.session" in ast.unparse(one) for one in node.decorator_list)
    }


def commands_without_a_session(text: str) -> list[str]:
    """Sessions in a text that do not exist."""
    return sorted(set(_SESSION.findall(text)) - sessions())


def paths_without_a_file(text: str, document: Path) -> list[str]:
    """Paths in backticks that do not exist, relative to the root, the document or a package's
    source."""
    bases = (ROOT, document.parent, *(ROOT / "packages").glob("*/src"))
    return [
        span
        for span in code_spans(text)
        if _looks_like_a_path(span) and not any(any(base.glob(span)) for base in bases)
    ]


def links_that_lead_nowhere(text: str, document: Path) -> list[str]:
    """Links to files, and to headings in them, that do not exist."""
    return [link for link in _LINK.findall(text) if not _leads_somewhere(link, document)]


def _leads_somewhere(link: str, document: Path) -> bool:
    name, _, heading = link.partition("#")
    target = document.parent / name if name else document
    if not heading or not target.exists():
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
    return heading in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def _looks_like_a_path(span: str) -> bool:
    if re.search(r"[A-Z]{4}$", span):  # a placeholder: `packages/NAME`
        return False
    first = span.partition("/")[0]
    rooted = "/" in span and first in _ROOMS
    return bool(_PATH.fullmatch(span)) and (rooted or _is_a_file_name(span))


def _is_a_file_name(span: str) -> bool:
    return "/" in span and Path(span).suffix in _SUFFIXES


def complaints(paths: Iterable[Path], check: Callable[[str, Path], list[str]]) -> dict[str, object]:
    """The errors of each file."""
    found = {shown(path): check(path.read_text("utf-8"), path) for path in paths}
    return {name: wrong for name, wrong in found.items() if wrong}


def test_every_dotted_name_of_ours_exists() -> None:
    assert complaints(TEXTS, lambda text, _: names_without_a_thing(text)) == {}


def test_every_command_is_a_session() -> None:
    assert complaints(TEXTS, lambda text, _: commands_without_a_session(text)) == {}


def test_every_path_in_a_document_exists() -> None:
    assert complaints(documents(), paths_without_a_file) == {}


def test_every_link_in_a_document_has_a_target() -> None:
    assert complaints(documents(), links_that_lead_nowhere) == {}


def test_ci_runs_the_test_command_of_the_readme_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    run = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert run == ["exec ./nox -s tests"]
    readme = "\n".join(blocks((ROOT / "README.md").read_text("utf-8")))
    commands = [line.split("#")[0].strip() for line in readme.splitlines()]
    assert "./nox -s tests" in commands


def test_every_package_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    packages = [path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")]
    assert [name for name in packages if f"(packages/{name}/README.md)" not in readme] == []


def test_a_missing_name_is_noticed() -> None:
    gone = "moorage_" + "kube.client.Cliant"
    there = "moorage_kube.client.client.Client"
    text = f"See `{gone}` and `{there}`.\n```python\nfrom {gone} import x\n```\n"
    assert names_without_a_thing(text) == [gone, f"{gone}.x"]


def test_a_missing_session_is_noticed() -> None:
    gone = "test" + "all"
    assert commands_without_a_session(f"./nox -s {gone} and ./nox -s demo") == [gone]


def test_a_missing_path_is_noticed() -> None:
    text = (
        "`packages/nothing`, `packages/core/src`, `text/plain`, `a/b.py`, `.ci/run`, `dist/images`"
    )
    assert paths_without_a_file(text, ROOT / "README.md") == ["packages/nothing", "a/b.py"]


def test_a_broken_link_is_noticed() -> None:
    text = "[a](LICENSE), [b](LICENCE), [c](README.md#install), [d](README.md#uninstalled)"
    wrong = ["LICENCE", "README.md#uninstalled"]
    assert links_that_lead_nowhere(text, ROOT / "README.md") == wrong
