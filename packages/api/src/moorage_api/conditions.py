"""The wire type of a condition, as every kind has it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from moorage_api.bounds import ConditionType, Message, Timestamp, Word
from moorage_api.wire import Wire


class WireCondition(Wire):
    """One aspect of an object's state."""

    type: ConditionType = Field(description="Aspect, in CamelCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Word = Field(description="One word for why.")
    message: Message = Field(default="", description="The same in plain words.")
    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that this answers."
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
