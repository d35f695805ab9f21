"""The wire type of a condition, as every kind has it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from moorage_api.wire import Wire


class WireCondition(Wire):
    """One aspect of an object's state."""

    type: str = Field(description="Aspect, in CamelCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(description="One word for why.")
    message: str = Field(default="", description="The same in plain words.")
    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that this answers."
    )
    last_transition_time: str = Field(description="When the status last changed.")
