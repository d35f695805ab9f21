"""Which modules are meant, and which test files have to notice a fault in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What decides is also tested as a whole; the quickest tests come first.
_DECIDING = (
    "test_decide_*.py", "test_dry_run.py", "test_hard_cases.py", "test_scenarios.py",
    "test_converge.py",
)  # fmt: skip


def modules(globs: Sequence[str]) -> dict[str, Path]:
    """Paths of the modules that a glob names, from the root of the repository, by dotted name."""
    paths = [path.relative_to(ROOT) for path in sorted(ROOT.glob("packages/*/src/**/*.py"))]
    named = {".".join(path.with_suffix("").parts[3:]): path for path in paths}
    return {
        name: path for name, path in named.items() if any(fnmatchcase(name, one) for one in globs)
    }


@cache
def relevant_tests(module: Path) -> tuple[str, ...]:
    """Paths of the test files, from the root, in the order they are run in; the nearest first.

    ``decide/X`` has ``test_decide_X*`` and whatever tests decisions; a module in a room has the
    tests of that room; another module ``X`` has ``test_X*``, or the tests of its whole package.
    """
    folder = ROOT / Path(*module.parts[:2]) / "tests"
    rooms = module.parts[4:-1]
    if rooms == ("decide",):
        nearest = folder.glob(f"test_decide_{module.stem}*.py")
        others = (path for glob in _DECIDING for path in sorted(folder.glob(glob)))
        return _shown([*sorted(nearest), *others])
    if rooms and (folder / rooms[0]).is_dir():
        return _shown(sorted((folder / rooms[0]).glob("test_*.py")))
    return _shown(sorted(folder.glob(f"test_{module.stem}*.py")) or [folder])


def _shown(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path.relative_to(ROOT).as_posix() for path in paths))
