"""Addresses at rest: found at once, and no otherwise than by all the rules together."""

from __future__ import annotations

from collections import Counter

import pytest
from random_life import Run

from moorage_core.decide import allocation
from moorage_core.decide.address import RULES
from moorage_core.decide.at_rest import stay_at_rest
from moorage_core.decide.case import Case, Step
from moorage_domain.plans import first_match

_LIVES = 300


def test_the_other_rules_find_the_very_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Counter[bool] = Counter()

    def decide_address(case: Case) -> Step:
        step = first_match([rule for rule in RULES if rule is not stay_at_rest], case)
        at_rest = stay_at_rest(case)
        found[at_rest is not None] += 1
        if at_rest is not None:
            assert step.record is at_rest.record is case.record
            assert step == at_rest == Step(case.record)
        return step

    monkeypatch.setattr(allocation, "decide_address", decide_address)
    for seed in range(_LIVES):
        Run(seed).live()
    # Both kinds were there, often.
    assert min(found.values()) > _LIVES
