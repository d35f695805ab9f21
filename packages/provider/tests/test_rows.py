"""An odd row spoils its own address only."""

import pytest

from moorage_provider.errors import AddressNotFound, Stale
from moorage_provider.protocol import CloudAddress, UnknownHolder
from moorage_provider.rows import certain, text_of, understood


def ip_of(row: dict[str, str]) -> str:
    return row["ip"]


def describe(row: dict[str, str]) -> CloudAddress:
    return CloudAddress(row["ip"], row["id"], None)


GOOD = {"ip": "192.0.2.1", "id": "one"}


def test_what_is_wanted_is_described() -> None:
    rows = [GOOD, {"ip": "192.0.2.2", "id": "two"}, {"ip": ""}]
    assert understood(rows, ("192.0.2.1", "192.0.2.3"), ip_of, describe) == {
        "192.0.2.1": CloudAddress("192.0.2.1", "one", None)
    }


def test_harm_10_of_a_row_that_is_not_understood_the_holder_is_unknown() -> None:
    found = understood([{"ip": "192.0.2.2"}, GOOD], ("192.0.2.1", "192.0.2.2"), ip_of, describe)
    assert found["192.0.2.1"] == describe(GOOD)
    assert found["192.0.2.2"] == CloudAddress(
        "192.0.2.2",
        "",
        UnknownHolder(
            "the cloud describes 192.0.2.2 in a way that is not understood (KeyError: 'id')"
        ),
    )


def test_harm_10_a_row_without_an_address_may_be_that_of_any_that_no_other_row_has() -> None:
    found = understood([{"id": "two"}, GOOD], ("192.0.2.1", "192.0.2.2"), ip_of, describe)
    assert found["192.0.2.1"] == describe(GOOD)
    assert isinstance(found["192.0.2.2"].holder, UnknownHolder)


def test_an_odd_row_that_is_not_wanted_is_nobodys_trouble() -> None:
    rows = [{"ip": "192.0.2.2"}, {"id": "two"}, GOOD]
    assert understood(rows, ("192.0.2.1",), ip_of, describe) == {"192.0.2.1": describe(GOOD)}


def test_the_text_of_a_row_is_empty_where_it_has_none_and_missing_where_it_is_odd() -> None:
    assert [text_of(row, ip_of) for row in (GOOD, {"ip": ""}, {})] == ["192.0.2.1", "", None]


def test_harm_10_an_address_read_again_is_certain_or_the_answer_is_outdated() -> None:
    one = describe(GOOD)
    assert certain({one.ip: one}, one) is one
    with pytest.raises(AddressNotFound, match=r"one \(192\.0\.2\.1\) does not exist any more"):
        certain({}, one)
    odd = CloudAddress(one.ip, "", UnknownHolder("it is not understood"))
    with pytest.raises(Stale, match="it is not understood"):
        certain({one.ip: odd}, one)
