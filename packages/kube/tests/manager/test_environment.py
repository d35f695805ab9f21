"""A variable with our prefix that nothing reads is found, whoever else may set such names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from moorage_kube.manager.environment import OF_OUR_TESTS, unknown

KNOWN = ("MOORAGE_DRY_RUN", "MOORAGE_WORKERS", "LEASE_NAME")


@pytest.fixture
def _plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with a plug-in that reads one variable, and one that does not say which."""
    meta = tmp_path / "plugin-1.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (meta / "entry_points.txt").write_text(
        "[our.plugins]\nfast-disk = fast_disk:create\nslow = old_disk:create\ngone = no_module:x\n"
    )
    (tmp_path / "fast_disk.py").write_text('VARIABLES = ("MOORAGE_FAST_DISK_SIZES",)\n')
    (tmp_path / "old_disk.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))


def names(*variables: str, groups: tuple[str, ...] = ()) -> list[str]:
    return unknown(dict.fromkeys(variables, "1"), KNOWN, groups)


def test_a_misspelt_variable_is_refused_with_the_nearest_known_name() -> None:
    assert names("MOORAGE_DRYRUN") == [
        "MOORAGE_DRYRUN is no variable that anything reads; did you mean MOORAGE_DRY_RUN?"
    ]


def test_one_that_is_like_nothing_is_refused_too() -> None:
    assert names("MOORAGE_X") == ["MOORAGE_X is no variable that anything reads; see --help"]


def test_known_names_in_any_case_and_names_of_others_are_let_through() -> None:
    assert names("MOORAGE_WORKERS", "moorage_dry_run", "LEASE_NAME", "PATH", *OF_OUR_TESTS) == []


def test_what_the_kubelet_sets_for_a_service_of_ours_is_let_through() -> None:
    core = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_METRICS", "PORT", "PORT_9999_TCP_ADDR")
    assert names(*(f"MOORAGE_CORE_{one}" for one in core)) == []
    assert names("MOORAGE_SERVICE_HOST", "MOORAGE_PORT") == []


def test_what_only_looks_like_a_service_is_refused() -> None:
    assert len(names("MOORAGE_METRIC_PORT", "MOORAGE_CORE_PORT")) == 2


@pytest.mark.usefixtures("_plugin")
def test_a_plug_in_owns_the_names_that_it_lists() -> None:
    assert names("MOORAGE_FAST_DISK_SIZES", groups=("our.plugins",)) == []
    (line,) = names("MOORAGE_FAST_DISK_SIZE", groups=("our.plugins",))
    assert line.endswith("did you mean MOORAGE_FAST_DISK_SIZES?")


@pytest.mark.usefixtures("_plugin")
def test_a_plug_in_that_lists_none_owns_all_with_its_name() -> None:
    assert names("MOORAGE_SLOW_LOGS", "MOORAGE_GONE_AWAY", groups=("our.plugins",)) == []
    assert len(names("MOORAGE_SLOW_LOGS", "MOORAGE_GONE_AWAY")) == 2


@pytest.mark.usefixtures("_plugin")
def test_no_plug_in_is_imported_whose_variables_are_not_set() -> None:
    sys.modules.pop("old_disk", None)
    assert names("MOORAGE_FAST_DISK_SIZES", groups=("our.plugins",)) == []
    assert "old_disk" not in sys.modules
