"""What all wire types share: camelCase on the wire, unknown fields let through unread."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

# Initialisms that Kubernetes writes in capitals at the end of a name.
_INITIALISMS = {"Id": "ID", "Uid": "UID", "Ips": "IPs"}


def wire_name(field: str) -> str:
    """The name of a field on the wire: ``provider_id`` is ``providerID``."""
    name = to_camel(field)
    for ending, capitals in _INITIALISMS.items():
        if name.endswith(ending):
            return name.removesuffix(ending) + capitals
    return name


class Wire(BaseModel):
    """A part of an object as it travels; fields are snake_case here and camelCase there."""

    model_config = ConfigDict(
        alias_generator=wire_name, populate_by_name=True, extra="ignore", frozen=True
    )

    def to_wire(self) -> dict[str, Any]:
        """The JSON object, without the fields that are unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def rule(expression: str, message: str) -> dict[str, JsonValue]:
    """One CEL rule of ``x-kubernetes-validations``: what must hold, and what to say otherwise.

    The API server puts the field and its value in front of the message.
    """
    return {"rule": expression, "message": message}


FIXED: dict[str, JsonValue] = {
    "x-kubernetes-validations": [rule("self == oldSelf", "cannot be changed")]
}
"""The ``json_schema_extra`` of a required field that stays as it was created."""
