"""Two writers of one status do not fight; one that has gone is forgiven."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from recording_api import raw_object

from moorage_domain.subject import Subject
from moorage_kube.client import backoff
from moorage_kube.writes.rivals import CALM_SECONDS, Rivals, RivalWriter

KEY = "w1"
OURS, THEIRS = {"by": "us"}, {"by": "them"}


@pytest.fixture(autouse=True)
def _without_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are as long as they may be."""
    monkeypatch.setattr(backoff, "_JITTER", (1.0, 1.0))


@dataclass
class Scene:
    """One object, whose status we and others write, and a clock."""

    now: float = 1000.0
    version: int = 0
    uid: str = "first"
    status: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rivals = Rivals(lambda: self.now)

    def changed(self, status: dict[str, Any]) -> None:
        """Somebody else writes."""
        self.version += 1
        self.status = status

    @property
    def subject(self) -> Subject:
        raw = raw_object(KEY, self.status, uid=self.uid, resourceVersion=str(self.version))
        return Subject.of(raw)

    def write(self, status: dict[str, Any] = OURS) -> bool:
        """Our write, where it is not held back; whether a rival was found just now."""
        found = self.rivals.check(KEY, self.subject)
        self.changed(status)
        self.rivals.wrote(KEY, self.uid, status)
        return found

    def pause(self) -> float:
        """For how long our next write is held back."""
        with pytest.raises(RivalWriter) as held_back:
            self.rivals.check(KEY, self.subject)
        return held_back.value.retry_after or 0.0


def test_a_status_that_stays_as_it_was_written_is_written_whenever_it_changes() -> None:
    scene = Scene()
    for number in range(50):
        assert not scene.write({"step": number})


def test_the_first_answer_is_written_at_once_and_each_further_one_after_twice_the_pause() -> None:
    scene = Scene()
    scene.write()
    scene.changed(THEIRS)
    assert scene.write()
    pauses = []
    for _ in range(10):
        scene.changed(THEIRS)
        pauses.append(scene.pause())
        scene.now += pauses[-1]
        assert not scene.write()
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_write_that_was_refused_may_be_tried_again_when_its_pause_is_over() -> None:
    scene = Scene()
    scene.write()
    scene.changed(THEIRS)
    assert scene.rivals.check(KEY, scene.subject)  # and the API server answers 503
    scene.now += scene.pause()
    assert not scene.rivals.check(KEY, scene.subject)
    assert not scene.rivals.check(KEY, scene.subject)


def test_what_we_do_not_write_others_may() -> None:
    scene = Scene()
    scene.write({"by": "us", "removed": None})
    for number in range(10):
        scene.changed({"by": "us", "theirs": number})
        assert not scene.write({"by": "us"})


def test_conditions_of_others_beside_ours_are_no_rivalry() -> None:
    ours = {"type": "Ready", "status": "True"}
    scene = Scene()
    scene.write({"conditions": [ours]})
    for number in range(10):
        theirs = {"type": "Theirs", "status": "True", "message": str(number)}
        scene.changed({"conditions": [theirs, ours]})
        assert not scene.rivals.check(KEY, scene.subject)
    scene.changed({"conditions": [ours | {"status": "False"}]})
    assert scene.rivals.check(KEY, scene.subject)


def test_a_field_of_ours_that_was_removed_was_changed() -> None:
    scene = Scene()
    scene.write()
    scene.changed({})
    assert scene.rivals.check(KEY, scene.subject)


def test_another_object_of_that_name_starts_from_zero() -> None:
    scene = Scene()
    scene.write()
    scene.changed(THEIRS)
    scene.write()
    scene.uid = "second"
    scene.changed({})
    assert not scene.write()
    scene.changed(THEIRS)
    assert scene.write()


def test_an_object_that_is_gone_is_forgotten() -> None:
    scene = Scene()
    scene.write()
    scene.changed(THEIRS)
    scene.rivals.forget(KEY)
    assert not scene.rivals.check(KEY, scene.subject)


@pytest.mark.parametrize("then", ["we write", "they write"])
def test_a_rival_that_was_calm_for_long_is_forgiven(then: str) -> None:
    scene = Scene()
    scene.write()
    scene.changed(THEIRS)
    scene.write()
    for _ in range(5):
        scene.changed(THEIRS)
        scene.now += scene.pause()
        scene.write()
    scene.now += CALM_SECONDS + 1
    if then == "we write":
        assert not scene.write({"by": "us", "more": 1})
    scene.changed(THEIRS)
    assert scene.write()  # found again, and answered at once
    scene.changed(THEIRS)
    assert scene.pause() == 2.0


def test_a_write_of_our_own_does_not_forgive_a_rival_that_only_waits() -> None:
    scene = Scene()
    scene.write()
    scene.changed(THEIRS)
    scene.write()
    scene.now += 200.0
    scene.write({"by": "us", "more": 1})
    scene.changed(THEIRS)
    assert not scene.write()
    assert scene.pause() == 4.0


@pytest.mark.parametrize("seed", range(20))
def test_two_installations_write_a_bounded_number_of_times_in_an_hour(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "_JITTER", (0.75, 1.0))
    random.seed(seed)
    scene = Scene(now=0.0)
    both = [Rivals(lambda: scene.now) for _ in range(2)]
    writes, found = [0, 0], [0, 0]
    due = [0.0, random.uniform(0, 900)]
    while min(due) < 3600.0:
        who = due.index(min(due))
        scene.now = due[who]
        due[who] = scene.now + 60.0
        # Now and then each has a reason of its own to write.
        wanted = {"by": who, "quarter": int(scene.now // 900)}
        if scene.status == wanted:
            continue
        try:
            found[who] += both[who].check(KEY, scene.subject)
        except RivalWriter as held_back:
            due[who] = scene.now + (held_back.retry_after or 0.0) + 0.001
            continue
        scene.changed(wanted)
        both[who].wrote(KEY, scene.uid, wanted)
        writes[who] += 1
        due[1 - who] = min(due[1 - who], scene.now + 0.02)
    assert max(found) <= 1
    assert 10 <= sum(writes) <= 80
