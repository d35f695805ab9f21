"""Bad options of benchmarks and soaks are refused before anything is started."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from tests.bench import options as bench
from tests.soak import options as soak

Ended = Callable[[Callable[[Sequence[str]], object], Sequence[str]], tuple[object, str, str]]


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str]) -> Ended:
    """How a tool ends with some arguments: its exit status, and what it prints."""

    def ended_with(
        parse: Callable[[Sequence[str]], object], arguments: Sequence[str]
    ) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as end:
            parse(arguments)
        return end.value.code, *capsys.readouterr()

    return ended_with


@pytest.mark.parametrize(
    ("parse", "arguments", "message"),
    [
        (
            bench.parse,
            ("--rows", "T12"),
            "there is no row 'T12'; there are T1,T2,T3,T4,T5,T6,T7,T8,T9,T10,T11,J3,SDK,FW,WH,IP,",
        ),
        (
            bench.parse,
            ("--cloud", "oci"),
            "--cloud: there is no cloud 'oci'; there are aws,gcp,azure",
        ),
        (bench.parse, ("--nodes", "0"), "argument --nodes: '0' is no whole number above 0"),
        (bench.parse, ("--addresses", "513"), "--addresses: one NetIPAllocation has at most 512"),
        (
            bench.parse,
            ("--nodes", "60", "--addresses", "50"),
            "--nodes: 60 are too few; 50 addresses and",
        ),
        (
            bench.parse,
            ("--pods", "10"),
            "--pods: every one of the 1000 nodes needs one of the workload's",
        ),
        (bench.parse, ("--live", "9000000"), "--live: at most 8000000 in a /8"),
        (bench.parse, ("--fast",), "unrecognized arguments: --fast"),
        (soak.parse, ("--minutes", "0"), "argument --minutes: '0' is no number above 0"),
        (soak.parse, ("--errors", "5"), "argument --errors: '5' is no number between 0 and 1"),
        (soak.parse, ("--addresses", "513"), "--addresses: one NetIPAllocation has at most 512"),
        (soak.parse, ("--nodes", "520"), "--nodes: 500 addresses need 530 at least"),
        (
            soak.parse,
            ("--pods", "10"),
            "--pods: every one of the 1000 nodes needs one of the workload's",
        ),
        (
            soak.parse,
            ("--minutes", "3"),
            "--kill-every: 2 kills in 120 s are too few; 3 at least",
        ),
        (soak.parse, ("--claims", "40000"), "--claims: the pool has room for 30000"),
        (soak.parse, ("--part", "dns"), "argument --part: invalid choice: 'dns'"),
        (soak.parse, ("--cloud", "oci"), "argument --cloud: invalid choice: 'oci'"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    ended: Ended,
    parse: Callable[[Sequence[str]], object],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    code, out, err = ended(parse, arguments)
    assert code == 2
    assert message in err
    assert (err.count("\n"), out) == (1, "")


def test_help_teaches_what_the_rows_are(ended: Ended) -> None:
    code, told, _ = ended(bench.parse, ["--help"])
    assert code == 0
    for family in (*(f"T{number}" for number in range(1, 12)), "J3", "SDK", "WH", "IP", "EI", "EL"):
        assert f"  {family} " in told
    assert "--cloud gcp --nodes 100" in told


def test_help_teaches_how_long_and_how_large_a_soak_is(ended: Ended) -> None:
    code, told, _ = ended(soak.parse, ["--help"])
    assert code == 0
    assert "as in CI" in told
    assert "(default 1000)" in told
