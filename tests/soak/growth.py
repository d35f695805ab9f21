"""Whether a process grows: compares early samples with late ones of similar processes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .samples import Sample

# In a comparison over time, the first part is warm-up; the next part is compared with the last.
_PARTS = 4
# A leader is measured by its last samples.
_LAST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Pooled:
    """What pools keep once it was needed: that is no growth.

    Attributes:
        threads: of a process whose pools are full.
        connections: that are used now and then, with a task for each. A leak grows with every
            event, of which there are hundreds.
    """

    threads: int
    connections: int


@dataclass(frozen=True, slots=True)
class Span:
    """The minimum and maximum of a figure: work in progress varies."""

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
    """The resources of processes over a time; memory is the median, in MiB."""

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
    """An earlier and a later weight that must be similar."""

    what: str
    early: Weight
    late: Weight

    @property
    def rss_share(self) -> float:
        """The relative growth of memory, 0.1 = a tenth."""
        return self.late.rss_mib / self.early.rss_mib - 1

    def grown(self, pooled: Pooled) -> list[str]:
        """Figures whose later minimum exceeds their earlier maximum and what pools keep."""
        early, late = self.early, self.late
        threads = max(early.threads.most, pooled.threads)
        return [
            what
            for what, least, most in (
                ("descriptors", late.fds.least, early.fds.most + pooled.connections),
                ("threads", late.threads.least, threads),
                ("tasks", late.tasks.least, early.tasks.most + pooled.connections),
            )
            if least > most
        ]


def over_time(samples: Sequence[Sample], begun: float, ended: float, what: str) -> Growth:
    """The growth of one process over this time."""
    part = (ended - begun) / _PARTS
    inside = [sample for sample in samples if begun + part <= sample.at <= ended]
    early = [sample for sample in inside if sample.at < begun + 2 * part]
    late = [sample for sample in inside if sample.at >= ended - part]
    return Growth(what, Weight.of(early), Weight.of(late))


def over_generations(killed: Sequence[Sequence[Sample]], what: str) -> Growth:
    """The growth between the first third of the leaders and the last third.

    All but the very first had the same time to stand by and to lead.
    """
    ends = [_at_the_end(samples) for samples in killed[1:]]
    third = max(1, len(ends) // 3)
    early = [sample for end in ends[:third] for sample in end]
    late = [sample for end in ends[-third:] for sample in end]
    return Growth(what, Weight.of(early), Weight.of(late))


def _at_the_end(samples: Sequence[Sample]) -> list[Sample]:
    return [one for one in samples if one.leads and one.at > samples[-1].at - _LAST_SECONDS]
