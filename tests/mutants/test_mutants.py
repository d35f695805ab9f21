"""Faults are put where behaviour is, each is one, and a run of tests says whether it is noticed."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from . import trial
from .__main__ import Fault, faults, report
from .equivalents import equivalents, stale
from .operators import Mutant, mutants_of
from .options import Options, parse
from .trial import BrokenTestsError, Copy, Verdict
from .which_tests import ROOT, modules, relevant_tests

MODULE = '''"""A module."""

LIMIT = 3


def late(age: float, parts: list[str] | None = None) -> bool:
    """Whether it is late."""
    log.warning("looked at %s", age > 1)
    if not parts:
        raise ValueError(f"no parts, {age + 1}")
    return age >= LIMIT and len(parts) == 1
'''
CASES = {
    "a < b": {"a <= b"},
    "a is None": {"a is not None"},
    "a in b": {"a not in b"},
    "a and b": {"a or b", "a", "b"},
    "not a": {"a"},
    "a if b else c": {"c if b else a"},
    "a + b": {"a - b"},
    "7": {"8", "0"},
    "True": {"False"},
    "min(a)": {"max(a)"},
    "any(a)": {"all(a)"},
    "sorted(a, key=b)": {"list(a)", "sorted(a)"},
    "f(a, b=c)": {"f(a)"},
    "{*a, *b}": {"{*a}", "{*b}"},
    "[a for a in b if c]": {"[a for a in b]"},
}


def replaced(text: str) -> set[tuple[str, str]]:
    return {(one.before, one.after) for one in mutants_of("m", text)}


@pytest.mark.parametrize("before", CASES)
def test_an_expression_is_replaced_by_what_is_nearly_the_same(before: str) -> None:
    pairs = replaced(f"x = {before}\n")
    assert {after for found, after in pairs if found == before} == CASES[before]


@pytest.mark.parametrize(
    ("statement", "after"),
    [
        ("self.a = b", "pass"),
        ("f()", "pass"),
        ("a += b", "a -= b"),
        ("return f(a)", "return None"),
        ("return None", "return 1"),
        ("del a[b]", "pass"),
    ],
)
def test_a_statement_is_taken_away_or_turned_round(statement: str, after: str) -> None:
    assert (statement, after) in replaced(f"def g():\n    {statement}\n")


def test_a_condition_of_one_name_is_negated() -> None:
    assert ("a", "not a") in replaced("if a:\n    b()\n")
    assert ("f(a)", "not f(a)") in replaced("if b:\n    pass\nelif f(a):\n    pass\n")


def test_texts_types_and_log_lines_are_left_alone() -> None:
    assert replaced(MODULE) == {
        ("3", "4"),
        ("3", "0"),
        ("not parts", "parts"),
        ("return age >= LIMIT and len(parts) == 1", "return None"),
        ("age >= LIMIT and len(parts) == 1", "age >= LIMIT or len(parts) == 1"),
        ("age >= LIMIT and len(parts) == 1", "age >= LIMIT"),
        ("age >= LIMIT and len(parts) == 1", "len(parts) == 1"),
        ("age >= LIMIT", "age > LIMIT"),
        ("len(parts) == 1", "len(parts) != 1"),
        ("1", "2"),
    }


def test_a_fault_names_its_line_and_function_and_changes_nothing_else() -> None:
    (one,) = (one for one in mutants_of("m", MODULE) if one.after == "age > LIMIT")
    assert (one.place, one.line) == ("m.late", 11)
    assert one.text == MODULE.replace("age >= LIMIT", "(age > LIMIT)")


def test_letters_beyond_ascii_do_not_shift_a_fault() -> None:
    (one,) = (one for one in mutants_of("m", 'x = ("ä", a < b)\n') if one.after == "a <= b")
    assert one.text == 'x = ("ä", (a <= b))\n'


def test_every_fault_of_our_own_code_is_valid_python() -> None:
    for name, path in modules(["*.begin", "*.queue", "*.settings"]).items():
        for one in mutants_of(name, (ROOT / path).read_text("utf-8")):
            ast.parse(one.text)


def test_each_module_has_the_tests_nearest_to_it_first() -> None:
    (restore,) = modules(["moorage_core.decide.restore"]).values()
    named = [Path(one).name for one in relevant_tests(restore)]
    assert named[0] == "test_decide_restore.py"
    assert {"test_decide_targets.py", "test_scenarios.py", "test_converge.py"} <= set(named)
    assert len(named) == len(set(named))
    (queue,) = modules(["moorage_kube.reconcile.queue"]).values()
    assert "packages/kube/tests/reconcile/test_queue.py" in relevant_tests(queue)
    (scopes,) = modules(["moorage_core.scopes"]).values()
    assert "packages/core/tests/test_scopes.py" in relevant_tests(scopes)


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    def sample(*arguments: str) -> list[Fault]:
        return faults(parse(["moorage_core.decide.re*", *arguments]))

    first = sample("--sample", "20", "--seed", "7")
    assert len(first) == 20
    assert sample("--sample", "20", "--seed", "7") == first
    assert sample("--sample", "20", "--seed", "8") != first
    assert set(first) < set(sample("--sample", "0"))


def test_the_rate_leaves_equivalents_out_and_counts_what_hangs_as_killed() -> None:
    counted = Counter(
        {Verdict.KILLED: 17, Verdict.HANGING: 2, Verdict.SURVIVED: 1, Verdict.EQUIVALENT: 5}
    )
    options = Options(("m",), 0, 1, 1, 95.0, "", list=False)
    text, met = report(counted, options)
    assert text.startswith("kill rate 95.0 % of 20 (target 95 %): ")
    assert met
    assert not report(counted + Counter({Verdict.SURVIVED: 1}), options)[1]


def test_no_equivalent_is_listed_that_the_code_does_not_have_any_more() -> None:
    listed = equivalents()
    everything = [
        mutant
        for name, path in modules(["moorage_*"]).items()
        if any(one.place.startswith(name) for one in listed)
        for mutant in mutants_of(name, (ROOT / path).read_text("utf-8"))
    ]
    assert stale(listed, everything) == []
    assert all(one.because for one in listed)


SUM = Path("packages/sum/src/moorage_sum/sum.py")
SUM_TEST = """import pathlib, time
from moorage_sum.sum import above
def test_above():
    while not above(3): time.sleep(0.01)
    assert not above(2)
"""


@pytest.fixture(name="small")
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one function and its test."""
    for name, text in {
        SUM.as_posix(): "def above(x):\n    return x > 2\n",
        "packages/sum/tests/test_sum.py": SUM_TEST,
        "pyproject.toml": "",
        "crds/x": "",
        "docs/x": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "tests" / "mutants").mkdir(parents=True)
    for path in Path(__file__).parent.glob("*.py"):
        (tmp_path / "tests" / "mutants" / path.name).write_text(path.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(trial, "ROOT", tmp_path)
    return tmp_path


def small_mutant(after: str) -> Mutant:
    text = f"def above(x):\n    return {after}\n"
    return Mutant("moorage_sum.sum", "above", 2, "x > 2", after, text)


def test_a_fault_is_killed_survives_or_hangs_and_the_work_tree_is_never_touched(
    small: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = ("packages/sum/tests/test_sum.py",)
    with Copy.made(tmp_path_factory.mktemp("copy")) as copy:
        copy.baseline(tests)

        def verdict(after: str) -> Verdict:
            return copy.verdict(small_mutant(after), SUM, tests, 0.0)

        assert verdict("x > 1") is Verdict.KILLED  # as long as the original, in the same second
        assert verdict("2 < x") is Verdict.SURVIVED
        with monkeypatch.context() as patched:
            patched.setattr(trial, "_PATIENCE_SECONDS", 1.0)
            assert verdict("x > 3") is Verdict.HANGING
        copy.baseline(tests)
        (copy.folder / tests[0]).write_text("def test_above(): assert False\n")
        with pytest.raises(BrokenTestsError, match="without any fault"):
            copy.baseline(tests)
    assert (small / SUM).read_text() == "def above(x):\n    return x > 2\n"
