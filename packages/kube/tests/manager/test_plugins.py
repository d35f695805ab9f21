"""Plug-ins are found by entry point; the error for a missing or doubled one says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import pytest

from moorage_kube.manager.plugins import PluginConflict, PluginMissing, PluginUnfit, load, require

GROUP = "moorage.providers"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path in which distributions can be put."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def put(folder: Path, distribution: str, name: str, module: str) -> None:
    """A distribution that offers one plug-in."""
    info = folder / f"{distribution.replace('-', '_')}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}:plugin\n")
    (folder / f"{module}.py").write_text(f"plugin = '{module}'\n")


def test_only_the_plugin_asked_for_is_imported(installed: Path) -> None:
    put(installed, "cloud-one", "one", "cloud_one_for_test")
    put(installed, "cloud-two", "two", "cloud_two_for_test")
    assert load(GROUP, "one") == "cloud_one_for_test"
    assert "cloud_two_for_test" not in sys.modules


def test_harm_28_no_package_is_named_after_what_a_user_typed(installed: Path) -> None:
    put(installed, "cloud-one", "one", "cloud_one_alone")
    with pytest.raises(PluginMissing) as missing:
        load(GROUP, "moorage-provider-mars", "docs/plugins.md")
    assert "no moorage.providers plug-in 'moorage-provider-mars'; installed: " in str(missing.value)
    assert "one" in str(missing.value)
    assert str(missing.value).endswith("; how to add one: docs/plugins.md")
    assert "install " not in str(missing.value)
    assert "did you mean" not in str(missing.value)


@pytest.mark.parametrize("typed", ["NIMBUS", "nimbos", " nimbus"])
def test_harm_28_the_nearest_installed_plugin_is_suggested(typed: str, installed: Path) -> None:
    put(installed, "cloud-nimbus", "nimbus", "cloud_nimbus_alone")
    with pytest.raises(PluginMissing, match=r"did you mean 'nimbus'\?$"):
        load(GROUP, typed)


def test_two_distributions_of_one_name_are_refused(installed: Path) -> None:
    put(installed, "cloud-one", "same", "cloud_same_one")
    put(installed, "cloud-two", "same", "cloud_same_two")
    with pytest.raises(PluginConflict, match="cloud-one, cloud-two"):
        load(GROUP, "same")
    assert not {"cloud_same_one", "cloud_same_two"} & set(sys.modules)


class Offered(Protocol):
    """What is asked of a plug-in here."""

    name: str

    def read(self) -> None: ...

    def open(self) -> None: ...


class Whole:
    name = "whole"

    def read(self) -> None: ...

    def open(self) -> None: ...


class Partial:
    def read(self) -> None: ...


def test_what_a_plug_in_lacks_is_named_at_once() -> None:
    require(GROUP, "whole", Whole(), Offered)
    with pytest.raises(PluginUnfit, match="'partial' lacks name, open; install a version of it"):
        require(GROUP, "partial", Partial(), Offered)
