"""A client that asks for many addresses again and again, and remembers which MAC answered what."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from moorage_testing.lab.namespace import Namespace
from moorage_testing.lab.network import LINK

PERIOD_SECONDS = 0.2
"""Between two questions for one address: no figure is finer than this."""
_ANSWER_SECONDS = 2.0
"""Who has not answered by then does not have the address: a busy machine is late."""
_ARP = 0x0806
_RECEIVE_BYTES = 1 << 22
_LONGEST = 128
_ETHERNET = 14
_REPLY = b"\x00\x02"
_OURS = b"\x02\x98"
_BATCH = 50


@dataclass(slots=True)
class Question:
    """One question for one address, and every answer to it.

    Attributes:
        asked: monotonic seconds.
        answers: when each MAC answered.
    """

    asked: float
    answers: dict[str, float] = field(default_factory=dict)


class Probes:
    """Asks for all addresses in each period, for the length of a ``with`` block.

    Questions are those of RFC 5227, of a sender without an address, so that nobody learns anything
    from them. Each round has a sender MAC of its own: the answer says which question it is to.
    """

    def __init__(self, client: Namespace, addresses: Iterable[str]) -> None:
        """Ask from a station's namespace for these IPv4 addresses."""
        self._asked: dict[bytes, list[Question]] = {socket.inet_aton(one): [] for one in addresses}
        self._rounds = 0
        self._socket = client.call(_open)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probes")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def between(self, since: float, until: float) -> list[list[Question]]:
        """By address, the questions of this time in their order; waits for their answers."""
        time.sleep(max(0.0, until + _ANSWER_SECONDS - time.monotonic()))
        return [
            [one for one in questions.copy() if since <= one.asked < until]
            for questions in self._asked.values()
        ]

    def answered_by(self, address: str) -> frozenset[str]:
        """Which MACs answered for an address lately; empty = nobody did."""
        return _lately(self._asked[socket.inet_aton(address)])

    def all_answered_by(self, mac: str) -> bool:
        """Whether lately this MAC answered for every address, and no other did."""
        return all(_lately(questions) == {mac} for questions in self._asked.values())

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            mac = _OURS + self._rounds.to_bytes(4, "big")
            for number, (address, questions) in enumerate(self._asked.items()):
                questions.append(Question(time.monotonic()))
                self._socket.send(_question(mac, address))
                if number % _BATCH == 0:
                    self._hear(0.0)
            self._rounds += 1
            due = max(due + PERIOD_SECONDS, time.monotonic())
            self._hear(due - time.monotonic())

    def _hear(self, seconds: float) -> None:
        """Take what comes for so long, and all that is there already."""
        end = time.monotonic() + seconds
        while True:
            self._socket.settimeout(max(0.0, end - time.monotonic()))
            try:
                frame = self._socket.recv(_LONGEST)
            except (BlockingIOError, TimeoutError):
                return
            body = frame[_ETHERNET:]
            # Announcements go to all and are no answers.
            if frame[:2] != _OURS or body[6:8] != _REPLY:
                continue
            questions = self._asked.get(body[14:18], [])
            number = int.from_bytes(frame[2:6], "big")
            if number < len(questions):
                questions[number].answers.setdefault(body[8:14].hex(":"), time.monotonic())


def longest_silence(questions: Sequence[Question]) -> float:
    """The longest time without an answer, in seconds, from question to question."""
    answered = [one.asked for one in questions if one.answers]
    ends = [questions[0].asked, *answered, questions[-1].asked]
    return max(after - before for before, after in itertools.pairwise(ends))


def first_answer(questions: Iterable[Question], mac: str) -> float | None:
    """When a MAC answered first, monotonic seconds; ``None`` = it never did."""
    times = (one.answers[mac] for one in questions if mac in one.answers)
    return min(times, default=None)


def lost(questions: Iterable[Question]) -> int:
    """How many questions nobody answered."""
    return sum(not one.answers for one in questions)


def doubled(questions: Iterable[Question]) -> int:
    """How many questions more than one MAC answered."""
    return sum(len(one.answers) > 1 for one in questions)


def _lately(questions: Sequence[Question]) -> frozenset[str]:
    """Who answered the last question of the last second that was answered at all."""
    last = questions[-round(1 / PERIOD_SECONDS) :]
    found = next((one for one in reversed(last) if one.answers), None)
    return frozenset(found.answers) if found is not None else frozenset()


def _open() -> socket.socket:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    one.bind((LINK, _ARP))
    return one


def _question(mac: bytes, address: bytes) -> bytes:
    head = b"\xff" * 6 + mac + struct.pack("!HHHBBH", _ARP, 1, 0x0800, 6, 4, 1)
    return head + mac + bytes(4) + bytes(6) + address
