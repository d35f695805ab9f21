"""Metrics are read and encoded once for all who ask, and the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.samples import Sample

from moorage_kube.telemetry.exposition import Exposition
from moorage_kube.telemetry.metrics import StateCollector

DEADLINE = 30.0
ADDRESSES = 10_000


def addresses(count: int = ADDRESSES) -> GaugeMetricFamily:
    family = GaugeMetricFamily("address_bound", "Bound.", labels=["ip"])
    for number in range(count):
        family.add_metric([f"2001:db8::{number:x}"], 1.0)
    return family


@asynccontextmanager
async def exposed(
    read: Callable[[], Iterable[Metric]], fresh_seconds: float = DEADLINE
) -> AsyncIterator[Exposition]:
    registry = CollectorRegistry()
    registry.register(StateCollector(read))
    exposition = Exposition(registry, fresh_seconds)
    try:
        yield exposition
    finally:
        await exposition.close()


async def test_the_state_is_read_once_for_all_who_ask_within_a_second() -> None:
    reads: list[int] = []

    def read() -> Iterator[Metric]:
        reads.append(1)
        yield addresses()

    async with exposed(read) as exposition:
        answers = await asyncio.gather(*(exposition.text("*/*") for _ in range(50)))
        answers.append(await exposition.text(""))
    assert len(reads) == 1
    assert len({id(body) for body, _ in answers}) == 1
    assert answers[0][0].count(b"address_bound{") == ADDRESSES


async def test_what_is_older_is_read_again() -> None:
    reads: list[int] = []

    def read() -> Iterator[Metric]:
        reads.append(1)
        yield addresses(len(reads))

    async with exposed(read, fresh_seconds=0.01) as exposition, asyncio.timeout(DEADLINE):
        while (await exposition.text(""))[0].count(b"address_bound{") < 3:  # noqa: ASYNC110 - time passes, nothing signals it
            await asyncio.sleep(0.005)


async def test_the_text_is_encoded_beside_the_event_loop() -> None:
    went_on = threading.Event()

    class Waiting(GaugeMetricFamily):
        """Samples that come once the loop has had another turn."""

        @property
        def samples(self) -> list[Sample]:
            assert went_on.wait(DEADLINE), "the loop stood still"
            return []

        @samples.setter
        def samples(self, value: list[Sample]) -> None:
            del value

    async with exposed(lambda: [Waiting("waiting", "Waits.")]) as exposition:
        scrape = asyncio.ensure_future(exposition.text(""))
        await asyncio.sleep(0.05)
        assert not scrape.done()
        went_on.set()
        assert b"waiting" in (await scrape)[0]


async def test_everybody_else_has_a_turn_between_two_families() -> None:
    turns = 0
    observed: list[int] = []

    def read() -> Iterator[Metric]:
        for number in range(5):
            observed.append(turns)
            yield GaugeMetricFamily(f"family_{number}", "One.")

    async with exposed(read) as exposition:
        scrape = asyncio.ensure_future(exposition.text(""))
        while not scrape.done():
            turns += 1
            await asyncio.sleep(0)
    assert len(set(observed)) == 5


async def test_a_scraper_that_leaves_takes_nothing_from_the_others() -> None:
    async with exposed(lambda: [addresses(1)]) as exposition:
        first = asyncio.ensure_future(exposition.text(""))
        second = asyncio.ensure_future(exposition.text(""))
        await asyncio.sleep(0)
        first.cancel()
        assert b"address_bound{" in (await second)[0]


async def test_there_are_two_forms_whatever_is_asked_for() -> None:
    reads: list[int] = []

    def read() -> Iterator[Metric]:
        reads.append(1)
        yield addresses(1)

    open_metrics = "application/openmetrics-text"
    async with exposed(read) as exposition:
        for number in range(20):
            accept = f"{open_metrics}; version=1.0.{number}; escaping=dots\r\nX: y"
            _, content_type = await exposition.text(accept)
            assert content_type.startswith(open_metrics)
            assert "X: y" not in content_type
            await exposition.text(f"text/plain; version={number}")
    assert len(reads) == 2


async def test_a_collector_that_fails_fails_the_scrape_and_not_the_next_one() -> None:
    broken = [True]

    def read() -> Iterator[Metric]:
        if broken:
            broken.clear()
            raise ValueError("no state")
        yield addresses(1)

    async with exposed(read, fresh_seconds=0.01) as exposition, asyncio.timeout(DEADLINE):
        with pytest.raises(ValueError, match="no state"):
            await exposition.text("")
        while True:
            try:
                assert b"address_bound{" in (await exposition.text(""))[0]
            except ValueError:
                await asyncio.sleep(0.005)
            else:
                break
