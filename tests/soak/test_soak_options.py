"""Bad options of a soak are refused before anything is started."""

from __future__ import annotations

import pytest

from .options import parse


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--minutes", "0"), "argument --minutes: '0' is no number above 0"),
        (("--errors", "5"), "argument --errors: '5' is no number between 0 and 1"),
        (("--addresses", "513"), "--addresses: one NetIPAllocation has at most 512"),
        (("--nodes", "520"), "--nodes: 500 addresses need 530 at least"),
        (("--pods", "10"), "--pods: every one of the 1000 nodes needs one of the workload's"),
        (("--minutes", "3"), "--kill-every: 2 kills in 120 s are too few; 3 at least"),
        (("--claims", "40000"), "--claims: the pool has room for 30000"),
        (("--part", "dns"), "argument --part: invalid choice: 'dns'"),
        (("--cloud", "oci"), "argument --cloud: invalid choice: 'oci'"),
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


def test_help_teaches_how_long_and_how_large(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "as in CI" in told
    assert "(default 1000)" in told
