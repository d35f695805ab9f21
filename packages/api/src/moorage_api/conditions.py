"""The wire types of conditions, as every kind has them."""

from __future__ import annotations

from typing import Annotated, Literal

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


Conditions = Annotated[
    list[WireCondition],
    Field(
        max_length=32,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
]
"""All conditions of an object, one of each type."""


class ConditionsStatus(Wire):
    """The status of a kind that has nothing to say beside its conditions."""

    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that this status answers."
    )
    conditions: Conditions = Field(default_factory=list, description="Ready, and others.")
