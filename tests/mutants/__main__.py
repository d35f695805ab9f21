"""Say which small faults no test notices: ``python -m tests.mutants --help``."""

from __future__ import annotations

import queue
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .equivalents import equivalents
from .operators import Mutant, mutants_of
from .options import Options, parse
from .trial import Copy, Verdict
from .which_tests import ROOT, modules, relevant_tests

_WIDTH = 90
_CONTEXT = 30


@dataclass(frozen=True, slots=True)
class Fault:
    """A mutant, with the module it is in and the tests that have to notice it."""

    mutant: Mutant
    path: Path
    tests: tuple[str, ...]

    def __str__(self) -> str:
        before, after = _cut(self.mutant.before, self.mutant.after)
        return f"{self.path}:{self.mutant.line}  {before}  ->  {after}"


def faults(options: Options) -> list[Fault]:
    """The sample that the options ask for, module by module."""
    everything = [
        Fault(mutant, path, relevant_tests(path))
        for name, path in modules(options.modules).items()
        for mutant in mutants_of(name, (ROOT / path).read_text("utf-8"))
        if options.only in f"{mutant.place} {mutant.before} -> {mutant.after}"
    ]
    if not 0 < options.sample < len(everything):
        return everything
    numbers = random.Random(options.seed).sample(range(len(everything)), options.sample)
    return [everything[number] for number in sorted(numbers)]


def tried(faults: Sequence[Fault], jobs: int) -> Iterator[tuple[Fault, Verdict]]:
    """Each fault with its verdict, in the order given; only so many test runs at once."""
    listed = equivalents()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-"))
        copies: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for number in range(jobs):
            copies.put(stack.enter_context(Copy.made(Path(folder, str(number)))))
        with ThreadPoolExecutor(jobs) as pool:
            baselines = _baselines(faults, copies)

            def verdict(fault: Fault) -> Verdict:
                if any(one.fits(fault.mutant) for one in listed):
                    return Verdict.EQUIVALENT
                copy = copies.get()
                try:
                    seconds = baselines[fault.tests]
                    return copy.verdict(fault.mutant, fault.path, fault.tests, seconds)
                finally:
                    copies.put(copy)

            yield from zip(faults, pool.map(verdict, faults), strict=True)


def _baselines(
    faults: Sequence[Fault], copies: queue.SimpleQueue[Copy]
) -> dict[tuple[str, ...], float]:
    """Seconds that each set of tests takes without a fault; the same files take the same time."""
    copy = copies.get()
    by_files: dict[frozenset[str], float] = {}
    for fault in faults:
        files = frozenset(fault.tests)
        if files not in by_files:
            say(f"without a fault: {' '.join(fault.tests)}")
            by_files[files] = copy.baseline(fault.tests)
    copies.put(copy)
    return {fault.tests: by_files[frozenset(fault.tests)] for fault in faults}


def _cut(before: str, after: str) -> tuple[str, str]:
    """Both, without most of a long beginning and end that they have in common."""
    start = max(0, _in_common(before, after) - _CONTEXT)
    end = max(0, _in_common(before[::-1], after[::-1]) - _CONTEXT)
    if len(before) <= _WIDTH or start + end >= len(after):
        return before, after
    cuts = [one[start : len(one) - end] for one in (before, after)]
    left, right = "..." if start else "", "..." if end else ""
    return f"{left}{cuts[0]}{right}", f"{left}{cuts[1]}{right}"


def _in_common(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def say(text: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def report(verdicts: Counter[Verdict], options: Options) -> tuple[str, bool]:
    """The last line, and whether the target is met."""
    killed = verdicts[Verdict.KILLED] + verdicts[Verdict.HANGING]
    judged = killed + verdicts[Verdict.SURVIVED]
    rate = 100.0 * killed / judged if judged else 100.0
    counts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
    text = f"kill rate {rate:.1f} % of {judged} (target {options.target:g} %): {counts}"
    return f"{text}; seed {options.seed}", rate >= options.target


def main() -> int:
    """Try the faults; 1 when fewer are killed than the target asks for."""
    options = parse()
    chosen = faults(options)
    if options.list:
        sys.stdout.write("".join(f"{fault}\n" for fault in chosen))
        return 0
    say(f"{len(chosen)} faults, {options.jobs} test runs side by side")
    verdicts: Counter[Verdict] = Counter()
    for fault, verdict in tried(chosen, options.jobs):
        verdicts[verdict] += 1
        if verdict is Verdict.SURVIVED:
            sys.stdout.write(f"{fault}\n")
            sys.stdout.flush()
        if verdicts.total() % 25 == 0:
            say(f"{verdicts.total()} of {len(chosen)}: {report(verdicts, options)[0]}")
    text, met = report(verdicts, options)
    sys.stdout.write(f"{text}\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
