"""The wire type of label selectors, as Kubernetes has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from moorage_api.bounds import LABEL_KEY_LENGTH, Label
from moorage_api.wire import Wire, rule

_MAX_LABELS = 64
_MAX_EXPRESSIONS = 32

# The schema has no bound for keys.
_LABEL_RULES: list[JsonValue] = [
    rule(
        f"self.all(key, key.size() <= {LABEL_KEY_LENGTH})",
        f"has a key of more than {LABEL_KEY_LENGTH} characters, which no label has",
    ),
]
_EXPRESSION_RULES: list[JsonValue] = [
    rule(
        "!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
        "names no values; In and NotIn need at least one",
    ),
    rule(
        "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values)"
        " || self.values.size() == 0",
        "has values; Exists and DoesNotExist take none",
    ),
]


class Requirement(Wire):
    """One condition on a label."""

    key: Annotated[str, Field(min_length=1, max_length=LABEL_KEY_LENGTH)] = Field(
        description="Key of the label."
    )
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="What must hold of its value."
    )
    values: Annotated[list[Label], Field(max_length=64)] = Field(
        default_factory=list, description="Values for In and NotIn."
    )


class LabelSelector(Wire):
    """Which objects are meant, by their labels; empty: every one."""

    match_labels: Annotated[dict[str, Label], Field(max_length=_MAX_LABELS)] = Field(
        default_factory=dict,
        description="Labels that an object must have, at most 64.",
        json_schema_extra={"x-kubernetes-validations": _LABEL_RULES},
    )
    match_expressions: Annotated[
        list[
            Annotated[
                Requirement,
                Field(json_schema_extra={"x-kubernetes-validations": _EXPRESSION_RULES}),
            ]
        ],
        Field(max_length=_MAX_EXPRESSIONS),
    ] = Field(default_factory=list, description="Conditions that all must hold, at most 32.")
