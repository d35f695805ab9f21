"""The fixtures build the tools for those who use them; without them they skip, or fail."""

import pytest

from moorage_testing import nodes
from moorage_testing.cluster import ToolMissingError, toolchain

pytest_plugins = ("pytester",)

PLAIN = ("-p", "no:asyncio", "-p", "no:xdist", "-p", "no:cacheprovider")

PARAMETER = """
import pytest

@pytest.mark.parametrize("cluster", [None, "blue"])
def test_it(cluster): pass
"""
FIXTURE_OF_THEIR_OWN = """
import pytest

@pytest.fixture
def cluster(): return "blue"

def test_it(cluster): pass
"""
BY_A_FIXTURE = """
import pytest

@pytest.fixture
def lab(cluster): return cluster

def test_it(lab): pass
"""
OVERRIDDEN = """
import pytest

@pytest.fixture(scope="session")
def cluster(cluster): return cluster

def test_it(cluster): pass
"""


@pytest.fixture
def nothing_to_build_with(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_TOOLCHAIN", str(pytester.path / "nowhere"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where no tool can be built and nobody minds: how often that was tried."""
    monkeypatch.setenv("CI", "")
    tried: list[str] = []

    def build_all() -> None:
        tried.append("all")
        raise ToolMissingError("no Go here")

    monkeypatch.setattr(toolchain, "build_all", build_all)
    return tried


@pytest.mark.usefixtures("nothing_to_build_with")
@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("1", "errors")])
def test_missing_tools(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makepyfile("def test_it(cluster): pass")
    result = pytester.runpytest_inprocess(*PLAIN, "-rs")
    result.assert_outcomes(**{outcome: 1})
    assert "MOORAGE_TOOLCHAIN=" in result.stdout.str()


@pytest.mark.usefixtures("nothing_to_build_with")
@pytest.mark.parametrize(
    ("text", "outcomes", "built"),
    [
        (PARAMETER, {"passed": 2}, []),
        (FIXTURE_OF_THEIR_OWN, {"passed": 1}, []),
        (BY_A_FIXTURE, {"skipped": 1}, ["all"]),
        (OVERRIDDEN, {"skipped": 1}, ["all"]),
    ],
    ids=["a parameter", "a fixture of their own", "by a fixture", "overridden"],
)
def test_tools_are_built_only_for_those_who_use_the_fixture(
    pytester: pytest.Pytester,
    builds: list[str],
    text: str,
    outcomes: dict[str, int],
    built: list[str],
) -> None:
    pytester.makepyfile(text)
    pytester.runpytest_inprocess(*PLAIN).assert_outcomes(**outcomes)
    assert builds == built


@pytest.mark.usefixtures("builds")
@pytest.mark.parametrize(
    ("error", "root", "outcomes"),
    [
        (nodes.NodesUnavailableError("no namespaces"), True, ("skipped", "skipped")),
        (nodes.PackagesMissingError(["runc"]), False, ("skipped", "skipped")),
        (nodes.PackagesMissingError(["runc"]), True, ("skipped", "errors")),
        (ToolMissingError("no Go here"), True, ("skipped", "errors")),
    ],
    ids=["impossible", "packages", "packages for root", "tools"],
)
def test_real_nodes_that_cannot_run(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    *,
    root: bool,
    outcomes: tuple[str, str],
) -> None:
    """The outcomes are those outside of CI and within."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(nodes, "can_install", lambda: root)
    monkeypatch.setattr(nodes, "install_missing", refuse)
    monkeypatch.setattr(nodes.RealNodes, "start", refuse)
    pytester.makepyfile("def test_it(real_nodes): pass")
    for ci, outcome in zip(("", "1"), outcomes, strict=True):
        monkeypatch.setenv("CI", ci)
        result = pytester.runpytest_inprocess(*PLAIN, "-rs")
        result.assert_outcomes(**{outcome: 1})
        assert str(error) in result.stdout.str()


@pytest.mark.parametrize(("ci", "installed"), [("1", True), ("", False)])
def test_packages_are_installed_in_ci_only(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    builds: list[str],
    ci: str,
    *,
    installed: bool,
) -> None:
    asked: list[str] = []

    def refuse(*_: object, **__: object) -> None:
        raise nodes.NodesUnavailableError("not here")

    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(toolchain, "build_all", lambda: builds.append("all"))
    monkeypatch.setattr(nodes, "install_missing", lambda: asked.append("packages"))
    monkeypatch.setattr(nodes, "check_machine", refuse)
    monkeypatch.setattr(nodes.RealNodes, "start", refuse)
    pytester.makepyfile("def test_it(real_nodes): pass")
    pytester.runpytest_inprocess(*PLAIN).assert_outcomes(skipped=1)
    assert asked == (["packages"] if installed else [])
    assert builds == ["all"]
