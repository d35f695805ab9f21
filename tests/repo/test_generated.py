"""Nothing generated is stale, and a stale file is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from moorage_kube.manager.lifecycle import ACTION_SECONDS, EVENTS_SECONDS
from moorage_kube.manager.process import CLOSED_SECONDS

from .files import ROOT
from .generated import stale, write
from .parts import PARTS
from .tables import OF_ALL, OF_PARTS


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of everything that is generated."""
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("charts", "crds", "dashboards"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for package in (ROOT / "packages").iterdir():
        copied = tmp_path / "packages" / package.name
        copied.mkdir(parents=True)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(package / name, copied)
    write(tmp_path)
    return tmp_path


def test_generated_files_are_up_to_date() -> None:
    assert stale(ROOT) == [], "run ./nox -s sync and commit what it writes"


def test_a_changed_crd_is_stale_until_it_is_rewritten(copy: Path) -> None:
    crd = copy / "crds" / "netipallocations.netinfra.darkbrains.com.yaml"
    good = crd.read_text("utf-8")
    crd.write_text(good.replace("Cluster", "Namespaced"), "utf-8")
    assert stale(copy) == [crd]
    assert write(copy) == [crd]
    assert crd.read_text("utf-8") == good


def test_a_crd_without_a_kind_is_removed(copy: Path) -> None:
    old = copy / "crds" / "old.example.com.yaml"
    old.write_text("kind: CustomResourceDefinition\n", "utf-8")
    assert write(copy) == [old]
    assert not old.exists()


def test_a_new_version_reaches_the_pin_of_every_sibling(copy: Path) -> None:
    root = copy / "pyproject.toml"
    text = root.read_text("utf-8")
    root.write_text(text.replace('version = "0.1.0"', 'version = "9.8.7"', 1), "utf-8")
    changed = {path.parent.name for path in write(copy)}
    assert {"core", "kube", "provider-aws", "testing"} <= changed
    core = (copy / "packages" / "core" / "pyproject.toml").read_text("utf-8")
    assert '"moorage-kube==9.8.7"' in core
    assert '"moorage-provider-aws==9.8.7"' in core


def test_a_new_version_reaches_the_images_that_people_copy_from_the_readme(copy: Path) -> None:
    root = copy / "pyproject.toml"
    text = root.read_text("utf-8")
    root.write_text(text.replace('version = "0.1.0"', 'version = "9.8.7"', 1), "utf-8")
    readme = copy / "README.md"
    assert readme in write(copy)
    command = "docker push registry.example.com/moorage/core:9.8.7\n"
    assert command in readme.read_text("utf-8")


def test_a_table_edited_by_hand_is_stale(copy: Path) -> None:
    readme = copy / "packages" / "core" / "README.md"
    readme.write_text(readme.read_text("utf-8").replace("`NoEligibleNode`", "`NoNode`"), "utf-8")
    assert stale(copy) == [readme]


def test_a_changed_alert_reaches_the_object_of_the_operator(copy: Path) -> None:
    rules = copy / "dashboards" / "core" / "rules.yaml"
    rules.write_text(rules.read_text("utf-8").replace("for: 10m", "for: 15m"), "utf-8")
    made = copy / "dashboards" / "core" / "prometheusrule.yaml"
    shipped = copy / "charts" / "moorage" / "charts" / "core" / "files" / "rules.yaml"
    assert write(copy) == [shipped, made]
    assert shipped.read_text("utf-8") == rules.read_text("utf-8")
    assert yaml.safe_load(made.read_text("utf-8"))["spec"] == yaml.safe_load(
        rules.read_text("utf-8")
    )


def test_a_value_added_by_hand_is_stale(copy: Path) -> None:
    values = copy / "charts" / "moorage" / "charts" / "core" / "values.yaml"
    values.write_text(values.read_text("utf-8") + "more: 1\n", "utf-8")
    assert write(copy) == [values]


def test_a_new_version_reaches_every_chart(copy: Path) -> None:
    root = copy / "pyproject.toml"
    text = root.read_text("utf-8")
    root.write_text(text.replace('version = "0.1.0"', 'version = "9.8.7"', 1), "utf-8")
    write(copy)
    for path in (copy / "charts").rglob("Chart.yaml"):
        chart = yaml.safe_load(path.read_text("utf-8"))
        needed = [one["version"] for one in chart.get("dependencies", ())]
        assert {chart["version"], chart.get("appVersion", "9.8.7"), *needed} == {"9.8.7"}


@pytest.mark.parametrize("part", PARTS)
def test_the_grace_of_a_pod_is_longer_than_that_of_its_actions(part: str) -> None:
    chart = ROOT / "charts" / "moorage" / "charts" / part
    values = yaml.safe_load((chart / "values.yaml").read_text("utf-8"))
    needed = ACTION_SECONDS + EVENTS_SECONDS + CLOSED_SECONDS
    assert values["terminationGracePeriodSeconds"] >= needed


def test_prose_around_a_table_is_left_alone(copy: Path) -> None:
    readme = copy / "packages" / "core" / "README.md"
    text = readme.read_text("utf-8") + "\nA last word.\n"
    readme.write_text(text, "utf-8")
    assert write(copy) == []
    assert readme.read_text("utf-8") == text


def test_every_table_is_shown_somewhere() -> None:
    texts = {path.parent.name: path.read_text("utf-8") for path in ROOT.glob("*/*/README.md")}
    shown = {name for name in OF_PARTS for part in PARTS if _mark(name) in texts[part]}
    assert shown == OF_PARTS.keys()
    assert [
        name for name in OF_ALL if not any(_mark(name) in text for text in texts.values())
    ] == []


@pytest.mark.parametrize("part", PARTS)
def test_a_controller_has_tables_of_what_people_look_up(part: str) -> None:
    text = (ROOT / "packages" / part / "README.md").read_text("utf-8")
    needed = ["reasons", "settings", "metrics", "rights"]
    # Kinds of others have their fields from others.
    needed += ["fields"] if PARTS[part].kinds else []
    needed += ["webhook_settings"] if PARTS[part].webhook else []
    assert [name for name in needed if text.count(_mark(name)) != 1] == []


def _mark(name: str) -> str:
    return f"<!-- generated: {name} -->"
