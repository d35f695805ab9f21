"""JSON objects of which nobody reads more than a field or two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec


class Unread(Mapping[str, Any]):
    """A JSON object whose fields are parsed when somebody asks for them.

    A webhook reads a pod's metadata; its spec has ten times as much, which takes as long to make
    as the whole answer.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, msgspec.Raw]) -> None:
        self._fields: dict[str, Any] = fields

    def __getitem__(self, name: str) -> object:
        value = self._fields[name]
        if isinstance(value, msgspec.Raw):
            value = self._fields[name] = msgspec.json.decode(value)
        return value

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as a Mapping has it
        return self[name] if name in self._fields else default

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)
