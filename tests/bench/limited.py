"""An emulated cloud in its own process that can limit its changes by a signal.

``python -m tests.bench.limited CLOUD``, then the arguments of the cloud's own program. Between
SIGUSR1 and SIGUSR2 it refuses changes that come faster than ``WRITES_PER_SECOND``, after ``BURST``
at once.
"""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from moorage_testing.clouds.process import run
from moorage_testing.faults import Fault, FaultBook

from .clouds import CLOUDS, Cloud

if TYPE_CHECKING:
    from moorage_testing.clouds.serving import HttpEmulator

# EC2's token bucket for changes, which is smaller than those of the other clouds:
# https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
WRITES_PER_SECOND = 5.0
BURST = 50.0
ON, OFF = signal.SIGUSR1, signal.SIGUSR2


class LimitedBook(FaultBook):
    """Refuses, while limited, every change that finds the token bucket empty."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__()
        self.limited = False
        self._change = re.compile(cloud.change)
        refusal = cloud.throttles
        self._refusal = Fault(
            op=cloud.change, status=refusal.status, code=refusal.code, headers={"Retry-After": "1"}
        )
        self._taking = threading.Lock()
        self._tokens = BURST
        self._filled_at = time.monotonic()

    def arrive(self, op: str, params: Mapping[str, str]) -> Fault | None:
        """The same, but calls that come too fast are refused."""
        fault = super().arrive(op, params)
        held = self.limited and self._change.fullmatch(op) and not self._take()
        return self._refusal if held else fault

    def _take(self) -> bool:
        """Whether there was a token left."""
        with self._taking:
            now = time.monotonic()
            filled = self._tokens + (now - self._filled_at) * WRITES_PER_SECOND
            self._tokens, self._filled_at = min(BURST, filled), now
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True


def main() -> int:
    """Serve until ended."""
    cloud = CLOUDS[sys.argv.pop(1)]
    book = LimitedBook(cloud)

    def switch(number: int, _frame: object) -> None:
        book.limited = number == ON

    def opening(**options: Any) -> HttpEmulator[Any]:  # those of the emulator
        emulator: HttpEmulator[Any] = getattr(module, cloud.emulator)(**options)
        emulator.faults = book
        return emulator

    signal.signal(ON, switch)
    signal.signal(OFF, switch)
    module = import_module(f"moorage_testing.clouds.{cloud.name}.__main__")
    return run(module.PROGRAM, opening)


if __name__ == "__main__":
    sys.exit(main())
