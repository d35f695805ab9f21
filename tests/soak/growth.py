"""Whether a process grows: like is compared with like, early with late."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .samples import Sample

# Of what is compared over time, the first part is warming up; the next is compared with the last.
_PARTS = 4
# A leader is weighed by its last samples.
_LAST_SECONDS = 10.0
# Pools keep a connection, whoever opened it, for as long as it is used now and then: so many, and
# a task for each, are no growth. What leaks does so with every event, of which there are hundreds.
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Span:
    """The least and the most there was of something: work in hand comes and goes."""

    least: int
    most: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Span:
        """Of at least one value."""
        return cls(min(values), max(values))

    def __str__(self) -> str:
        return f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Weight:
    """What processes had of everything over a while; memory is the median, in MiB."""

    rss_mib: float
    fds: Span
    threads: Span
    tasks: Span

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Weight:
        """Of at least one sample."""
        return cls(
            rss_mib=statistics.median(sample.rss_mib for sample in samples),
            fds=Span.of([sample.fds for sample in samples]),
            threads=Span.of([sample.threads for sample in samples]),
            tasks=Span.of([sample.tasks for sample in samples]),
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """An earlier weight and a later one of what must be alike."""

    what: str
    early: Weight
    late: Weight

    @property
    def rss_share(self) -> float:
        """How much more memory, 0.1 = a tenth."""
        return self.late.rss_mib / self.early.rss_mib - 1

    def grown(self, pooled_threads: int) -> list[str]:
        """What never was as little again as it had been at most, but for what pools keep.

        Threads of pools are started when they are needed, and stay: so many are no growth.
        """
        early, late = self.early, self.late
        threads = max(early.threads.most, pooled_threads)
        return [
            what
            for what, least, most in (
                ("descriptors", late.fds.least, early.fds.most + _KEPT),
                ("threads", late.threads.least, threads),
                ("tasks", late.tasks.least, early.tasks.most + _KEPT),
            )
            if least > most
        ]


def over_time(samples: Sequence[Sample], begun: float, ended: float, what: str) -> Growth:
    """How one process that lives through all of this time grew in it."""
    part = (ended - begun) / _PARTS
    inside = [sample for sample in samples if begun + part <= sample.at <= ended]
    early = [sample for sample in inside if sample.at < begun + 2 * part]
    late = [sample for sample in inside if sample.at >= ended - part]
    return Growth(what, Weight.of(early), Weight.of(late))


def over_generations(killed: Sequence[Sequence[Sample]], what: str) -> Growth:
    """How leaders grew from one to the next: a third of them, the first ones, and the last ones.

    Each but the very first had the same time to stand by and to lead.
    """
    ends = [_at_the_end(samples) for samples in killed[1:]]
    third = max(1, len(ends) // 3)
    early = [sample for end in ends[:third] for sample in end]
    late = [sample for end in ends[-third:] for sample in end]
    return Growth(what, Weight.of(early), Weight.of(late))


def _at_the_end(samples: Sequence[Sample]) -> list[Sample]:
    return [one for one in samples if one.leads and one.at > samples[-1].at - _LAST_SECONDS]
