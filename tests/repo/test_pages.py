"""The site has every document, and needs nothing of other sites."""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from .files import ROOT, documents, shown
from .pages import CONFIG, collect, pages
from .tables import OF_ALL, OF_PARTS

SITE = tomllib.loads(CONFIG.read_text("utf-8"))["project"]


def named(navigation: object) -> Iterator[str]:
    """The pages of a navigation, at any depth, with or without titles."""
    if isinstance(navigation, str):
        yield navigation
    elif isinstance(navigation, dict):
        yield from named(list(navigation.values()))
    elif isinstance(navigation, list):
        for one in navigation:
            yield from named(one)


def test_the_navigation_leads_to_every_document_once() -> None:
    assert sorted(named(SITE["nav"])) == sorted(map(shown, documents()))


def test_pages_are_found_at_any_depth() -> None:
    assert list(named(["a.md", {"B": "b.md"}, {"C": ["c.md", {"D": "d.md"}]}])) == [
        "a.md", "b.md", "c.md", "d.md",
    ]  # fmt: skip


def test_every_generated_table_stands_on_a_page_once() -> None:
    found: dict[str, list[str]] = {}
    for path in documents():
        for name in re.findall(r"<!-- generated: (\w+) -->", path.read_text("utf-8")):
            found.setdefault(shown(path), []).append(name)
    assert {page: names for page, names in found.items() if len(names) != len(set(names))} == {}
    assert {name for names in found.values() for name in names} == OF_PARTS.keys() | OF_ALL.keys()


def test_the_collected_tree_is_that_of_the_repository(tmp_path: Path) -> None:
    target = tmp_path / "site"
    (target / "pages").mkdir(parents=True)
    (target / "pages" / "of-yesterday.md").touch()
    collect(target)
    collected = {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
    wanted = {Path("pages") / shown(path) for path in pages()}
    assert collected == wanted | {Path("zensical.toml")}
    for path in pages():
        assert (target / "pages" / shown(path)).read_bytes() == path.read_bytes()


def test_a_page_loads_no_font_of_another_site() -> None:
    assert SITE["theme"]["font"] is False


def test_the_picture_says_in_words_what_it_shows_and_loads_nothing() -> None:
    text = (ROOT / "docs" / "picture.svg").read_text("utf-8")
    drawn = ET.fromstring(text)  # noqa: S314 - our own file
    texts = {one.tag.rpartition("}")[2]: one.text for one in drawn.iter()}
    assert texts["title"]
    assert texts["desc"]
    assert texts.keys() & {"image", "script", "use", "foreignObject"} == set()
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", text))
    # It has a ground of its own, which follows the reader's choice of colours.
    assert "prefers-color-scheme: dark" in text
