"""Faults strike the calls they name, as often as they say, and every call is logged."""

import json
import random
import urllib.request

from moorage_testing.clouds.gcp import GceEmulator
from moorage_testing.faults import Call, Fault, FaultBook
from moorage_testing.waiting import PATIENCE


def strikes(book: FaultBook, *ops: str) -> list[bool]:
    return [book.arrive(op, {}) is not None for op in ops]


def test_a_fault_strikes_once_by_default() -> None:
    book = FaultBook()
    book.inject(Fault(op="Attach"))
    assert strikes(book, "Attach", "Attach") == [True, False]


def test_a_fault_for_ever_strikes_until_it_is_cleared() -> None:
    book = FaultBook()
    book.inject(Fault(op="Attach", times=None))
    assert strikes(book, "Attach", "Attach", "Attach") == [True] * 3
    book.clear()
    assert strikes(book, "Attach") == [False]


def test_a_fault_lets_the_skipped_calls_pass() -> None:
    book = FaultBook()
    book.inject(Fault(op="Attach", skip=1, times=2))
    assert strikes(book, *["Attach"] * 4) == [False, True, True, False]


def test_the_operation_is_an_expression_over_the_whole_name() -> None:
    book = FaultBook()
    book.inject(Fault(op="Describe.*", times=None))
    assert strikes(book, "DescribeAddresses", "Associate", "XDescribe") == [True, False, False]


def test_of_several_faults_the_first_that_is_left_strikes() -> None:
    book = FaultBook()
    one, two = Fault(op="A", code="one"), Fault(op="A", code="two")
    book.inject(one, two)
    assert [book.arrive("A", {}) for _ in range(3)] == [one, two, None]


def test_calls_are_logged_in_order_with_their_time() -> None:
    times = iter((1.0, 2.0))
    book = FaultBook(clock=lambda: next(times))
    book.arrive("A", {"x": "1"})
    book.arrive("B", {})
    assert book.calls == (Call("A", {"x": "1"}, 1.0), Call("B", {}, 2.0))
    assert book.ops() == ("A", "B")
    assert book.ops(since=1) == ("B",)


def test_a_fault_with_a_chance_strikes_that_share_of_the_calls() -> None:
    book = FaultBook()
    book.inject(Fault(op="Attach", chance=0.05, times=None))
    # Three standard deviations either way.
    assert 434 < sum(strikes(book, *["Attach"] * 10_000)) < 566


def test_without_a_chance_a_fault_strikes_never_and_its_times_stay() -> None:
    book = FaultBook()
    book.inject(Fault(op="Attach", chance=0.0), Fault(op="Attach", code="next"))
    assert book.arrive("Attach", {}) == Fault(op="Attach", code="next")
    assert strikes(book, *["Attach"] * 100) == [False] * 100


def test_spared_calls_do_not_use_a_fault_up() -> None:
    book = FaultBook()
    book.inject(Fault(op="Attach", chance=0.5, times=3))
    assert sum(strikes(book, *["Attach"] * 1000)) == 3


def test_the_same_dice_strike_the_same_calls() -> None:
    def fates(dice: random.Random | None) -> list[bool]:
        book = FaultBook(dice=dice)
        book.inject(Fault(op="Attach", chance=0.5, times=None))
        return strikes(book, *["Attach"] * 100)

    assert fates(random.Random(7)) == fates(random.Random(7)) != fates(random.Random(8))
    assert fates(None) == fates(None)


def test_a_chance_is_set_over_http() -> None:
    with GceEmulator() as emulator:
        for chance in (0.0, 0.5):
            fault = {"op": "Attach", "status": 503, "chance": chance, "times": None}
            url, body = f"{emulator.url}/moorage/faults", json.dumps(fault).encode()
            with urllib.request.urlopen(url, data=body, timeout=PATIENCE) as answer:  # noqa: S310 - loopback
                assert answer.status == 200
        assert 0 < sum(strikes(emulator.faults, *["Attach"] * 100)) < 100
