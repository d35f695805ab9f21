"""Trials of any controller in virtual time: a crash after every change, and random lives."""

from moorage_testing.harness.crashes import crash_after_every_change
from moorage_testing.harness.managed import managed
from moorage_testing.harness.random_life import DISTURBANCES, live, live_many
from moorage_testing.harness.scenario import Scenario, end_state, left_behind
from moorage_testing.harness.stories import lived_through, play_story
from moorage_testing.harness.world import World

__all__ = [
    "DISTURBANCES",
    "Scenario",
    "World",
    "crash_after_every_change",
    "end_state",
    "left_behind",
    "live",
    "live_many",
    "lived_through",
    "managed",
    "play_story",
]
