"""Faults strike the calls they name, as often as they say, and every call is written down."""

from moorage_testing.faults import Call, Fault, FaultBook


def strikes(book: FaultBook, *ops: str) -> list[bool]:
    return [book.arrive(op, {}) is not None for op in ops]


def test_a_fault_strikes_once_unless_told_otherwise() -> None:
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


def test_calls_are_written_down_in_order_with_their_time() -> None:
    times = iter((1.0, 2.0))
    book = FaultBook(clock=lambda: next(times))
    book.arrive("A", {"x": "1"})
    book.arrive("B", {})
    assert book.calls == (Call("A", {"x": "1"}, 1.0), Call("B", {}, 2.0))
    assert book.ops() == ("A", "B")
    assert book.ops(since=1) == ("B",)
