"""The text of ``/metrics``: made at most once a second for all who ask, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

FRESH_SECONDS = 1.0
"""How long everybody gets the same text."""
_OPENMETRICS = "application/openmetrics-text"


class Exposition:
    """Metrics as text, for any number of scrapers.

    The series are read on the event loop, one family after the other with a turn for everybody
    else in between, and encoded in a thread: with 10,000 addresses that takes a second of CPU.
    """

    def __init__(self, registry: CollectorRegistry, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._registry = registry
        self._fresh_seconds = fresh_seconds
        self._texts: dict[str, asyncio.Task[tuple[bytes, str]]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the form that an ``Accept`` header asks for, and their content type.

        Raises what a collector raised.
        """
        # Two forms and no more: what else the header may ask for is not worth a text of its own.
        form = f"{_OPENMETRICS}; version=1.0.0" if _OPENMETRICS in accept else ""
        making = self._texts.get(form)
        if making is None:
            making = self._texts[form] = asyncio.create_task(self._make(form), name="metrics")
            making.add_done_callback(lambda made: self._forget_later(form, made))
        # Others may wait for it when this scraper has left.
        return await asyncio.shield(making)

    async def close(self) -> None:
        """Stop; whoever still waits is cancelled."""
        tasks = list(self._texts.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _make(self, form: str) -> tuple[bytes, str]:
        families = []
        for family in self._registry.collect():
            families.append(family)
            await asyncio.sleep(0)
        encode, content_type = choose_encoder(form)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, encode, _Collected(families)), content_type

    def _forget_later(self, form: str, made: asyncio.Task[tuple[bytes, str]]) -> None:
        if not made.cancelled():
            # Where every scraper has left, nobody else would take its error.
            made.exception()
        loop = asyncio.get_running_loop()
        loop.call_later(self._fresh_seconds, lambda: self._texts.pop(form, None))


class _Collected(Collector):
    """What was read, as the encoders want it."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
