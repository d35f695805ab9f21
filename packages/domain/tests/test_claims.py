"""Of several claims the oldest wins, whoever compares them."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.claims import Claim, winner

INSTANTS = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001 - hypothesis adds the zone
)  # fmt: skip
CLAIMS = st.builds(
    Claim,
    created=INSTANTS.map(lambda when: when.strftime("%Y-%m-%dT%H:%M:%SZ")),
    uid=st.uuids().map(str),
    name=st.sampled_from(["web", "sip", "vpn"]),
)


def test_without_claims_there_is_no_winner() -> None:
    assert winner([]) is None


def test_the_oldest_claim_wins() -> None:
    old = Claim("2026-01-02T03:04:05Z", "z", "old")
    new = Claim("2026-01-02T03:04:06Z", "a", "new")
    assert winner([new, old]) == old


def test_of_two_of_the_same_second_the_smaller_uid_wins() -> None:
    first = Claim("2026-01-02T03:04:05Z", "1", "z")
    second = Claim("2026-01-02T03:04:05Z", "2", "a")
    assert winner([second, first]) == first


@given(st.lists(CLAIMS, min_size=1), st.integers())
def test_the_order_in_which_claims_are_seen_does_not_matter(claims: list[Claim], seed: int) -> None:
    shuffled = list(claims)
    Random(seed).shuffle(shuffled)
    assert winner(claims) == winner(shuffled)


@given(st.lists(CLAIMS, min_size=1), CLAIMS)
def test_a_later_claim_never_takes_from_the_winner(claims: list[Claim], late: Claim) -> None:
    before = winner(claims)
    assert before is not None
    if late > before:
        assert winner([*claims, late]) == before
