"""The pinned modules in the source tree are those that the table of families names."""

import re

import pytest

from moorage_testing.cluster import toolchain
from moorage_testing.cluster.toolchain import FAMILIES, Family


@pytest.fixture(autouse=True)
def _source_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOORAGE_TOOLCHAIN", raising=False)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_go_mod_pins_every_tool_of_its_family(family: Family) -> None:
    folder = toolchain.source_root() / family.name
    text = (folder / "go.mod").read_text()
    single = re.findall(r"^tool ([^(\s]+)$", text, re.MULTILINE)
    block = re.search(r"^tool \(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL)
    listed = {*single, *(block[1].split() if block else ())}
    assert listed == {tool.package for tool in family.tools}
    ours = f"module {family.module}\n" in text
    assert ours or f"{family.module} v" in (folder / "go.sum").read_text()


def test_every_folder_of_the_source_tree_is_a_family() -> None:
    folders = {path.parent.name for path in toolchain.source_root().glob("*/go.mod")}
    assert folders == {family.name for family in FAMILIES}


@pytest.mark.parametrize("name", ["kubernetes", "node"])
def test_kubernetes_is_replaced_by_its_published_parts_of_the_same_version(name: str) -> None:
    text = (toolchain.source_root() / name / "go.mod").read_text()
    version = re.search(r"k8s\.io/kubernetes v1\.(\S+)", text)
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) v0\.(\S+)$", text, re.MULTILINE)
    assert version is not None
    assert len(replaced) > 30
    assert all(old == new and patch == version[1] for old, new, patch in replaced)


def test_nodes_have_the_version_of_their_control_plane() -> None:
    texts = [
        (toolchain.source_root() / name / "go.mod").read_text() for name in ("kubernetes", "node")
    ]
    first, second = (re.search(r"k8s\.io/kubernetes v\S+", text) for text in texts)
    assert first is not None
    assert second is not None
    assert first[0] == second[0]
