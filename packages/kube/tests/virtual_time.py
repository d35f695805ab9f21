"""A loop whose time is simulated: hours pass in no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class SkippingSelector(selectors.DefaultSelector):
    """Never waits: where the loop would sleep until its next timer, the clock jumps there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


def simulate(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the story on a loop whose time is simulated; it starts at 0."""

    def loop() -> asyncio.AbstractEventLoop:
        selector = SkippingSelector()
        made = asyncio.SelectorEventLoop(selector)
        made.time = lambda: selector.now  # type: ignore[method-assign]  # the one thing to change
        return made

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(story())
