"""Invalid options are refused with their name, their value and what to write instead."""

import pytest

from moorage_provider.errors import InvalidOptions
from moorage_provider.options import DEFAULT_TIMEOUT_SECONDS, timeout_seconds


def test_the_timeout_has_a_default() -> None:
    assert timeout_seconds({}) == DEFAULT_TIMEOUT_SECONDS
    assert timeout_seconds({"timeout_seconds": "2.5"}) == 2.5


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_bad_timeout_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptions, match=f'timeout_seconds is "{text}"'):
        timeout_seconds({"timeout_seconds": text})
