"""The fixture `cluster` builds the tools for those who use it; without them it skips, or fails."""

import pytest

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
