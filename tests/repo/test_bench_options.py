"""Bad options of the benchmarks are refused before anything is started."""

from __future__ import annotations

import pytest
from tests.bench.options import parse


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--rows", "T12"),
            "there is no row 'T12'; there are T1,T2,T3,T4,T5,T6,T7,T8,T9,T10,T11,J3,SDK,FW,WH,IP,",
        ),
        (("--cloud", "oci"), "--cloud: there is no cloud 'oci'; there are aws,gcp,azure"),
        (("--nodes", "0"), "argument --nodes: '0' is no whole number above 0"),
        (("--addresses", "513"), "--addresses: one NetIPAllocation has at most 512"),
        (("--nodes", "60", "--addresses", "50"), "--nodes: 60 are too few; 50 addresses and"),
        (("--pods", "10"), "--pods: every one of the 1000 nodes needs one of the workload's"),
        (("--live", "9000000"), "--live: at most 8000000 in a /8"),
        (("--fast",), "unrecognized arguments: --fast"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (err.count("\n"), out) == (1, "")


def test_help_teaches_what_the_rows_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for family in (*(f"T{number}" for number in range(1, 12)), "J3", "SDK", "WH", "IP", "EI", "EL"):
        assert f"  {family} " in told
    assert "--cloud gcp --nodes 100" in told
