"""Steady requests from a namespace, by HTTP or UDP: each counts, answered or not."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from moorage_testing.lab.namespace import Namespace

EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 0.9
"""Less than the second after which TCP asks again: what was lost once counts as lost."""
_AT_ONCE = 16
_CHUNK = 4096


@dataclass(slots=True)
class Requests:
    """What a client got that asked steadily.

    Attributes:
        samples: when it asked (`time.monotonic()`), and what was answered; "" = nothing.
    """

    samples: list[tuple[float, str]] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """How many were not answered."""
        return sum(not answer for _, answer in self.samples)

    @property
    def answers(self) -> frozenset[str]:
        """Who answered."""
        return frozenset(answer for _, answer in self.samples if answer)

    @property
    def latest(self) -> str:
        """The answer to what was asked last and is decided; "" = none, or nothing was asked."""
        return max(self.samples)[1] if self.samples else ""

    def since(self, begun: float) -> "Requests":
        """Those that were asked later than this time."""
        return Requests([sample for sample in self.samples if sample[0] > begun])

    @property
    def gap(self) -> float:
        """The longest time, in seconds, from one that was answered to the next one that was.

        None answered yet, or one alone: infinite.
        """
        times = sorted(at for at, answer in self.samples if answer)
        gaps = [later - at for at, later in itertools.pairwise(times)]
        return max(gaps, default=float("inf"))

    def are_answered(self, count: int) -> bool:
        """Whether the last so many were all answered."""
        last = sorted(self.samples)[-count:]
        return len(last) == count and all(answer for _, answer in last)


@contextmanager
def requesting(namespace: Namespace, address: str, port: int) -> Iterator[Requests]:
    """Ask `http://address:port/` again and again, for the length of a `with` block.

    A request does not wait for the one before it, so a long silence loses as many as were asked.
    """
    found, stop = Requests(), threading.Event()

    def ask(at: float) -> None:
        # Made in the namespace; it connects from there, whatever thread uses it.
        with namespace.call(lambda: socket.socket(_family(address), socket.SOCK_STREAM)) as one:
            found.samples.append((at, _answer(one, address, port)))

    def work() -> None:
        asked: list[Future[None]] = []
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="requesting") as pool:
            while not stop.wait(EVERY_SECONDS):
                asked.append(pool.submit(ask, time.monotonic()))
        for one in asked:
            one.result()

    with ThreadPoolExecutor(1) as runner:
        working = runner.submit(work)
        try:
            yield found
        finally:
            stop.set()
            working.result()


@contextmanager
def reaching(namespace: Namespace, address: str, port: int) -> Iterator[Requests]:
    """Send numbered datagrams to an echo again and again: who answers each, by name."""
    found, stop = Requests(), threading.Event()

    def work(one: socket.socket) -> None:
        waiting: dict[bytes, float] = {}
        number, due = 0, time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            if now >= due:
                number, due = number + 1, now + EVERY_SECONDS
                name = str(number).encode()
                waiting[name] = now
                with contextlib.suppress(OSError):  # nobody has had the address of late
                    one.sendto(name, (address, port))
            one.settimeout(max(0.001, due - time.monotonic()))
            with contextlib.suppress(OSError):
                answer, _, name = one.recv(_CHUNK).partition(b" ")
                if name in waiting:
                    found.samples.append((waiting.pop(name), answer.decode()))
            for name, at in list(waiting.items()):
                if time.monotonic() - at > PATIENCE_SECONDS:
                    found.samples.append((waiting.pop(name), ""))

    with (
        namespace.call(lambda: socket.socket(_family(address), socket.SOCK_DGRAM)) as one,
        ThreadPoolExecutor(1) as runner,
    ):
        working = runner.submit(work, one)
        try:
            yield found
        finally:
            stop.set()
            working.result()


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _answer(one: socket.socket, address: str, port: int) -> str:
    """The body of an answer, without spaces around it; "" = none has come in time."""
    text, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    one.settimeout(PATIENCE_SECONDS)
    with contextlib.suppress(OSError):
        one.connect((address, port))
        one.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while time.monotonic() < deadline:
            if not (part := one.recv(_CHUNK)):
                head, _, body = text.partition(b"\r\n\r\n")
                return body.decode().strip() if b" 200 " in head else ""
            text += part
    return ""
