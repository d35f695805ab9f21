"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902), refused as the API server refuses them."""

from __future__ import annotations

from copy import deepcopy
from functools import reduce
from typing import Any

from moorage_testing.apiserver.messages import NOT_APPLICABLE, invalid

Json = dict[str, Any]


def merged(held: Json, patch: Json) -> Json:
    """The object with a merge patch applied."""
    new = dict(held)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif isinstance(value, dict):
            before = new.get(key)
            new[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            new[key] = deepcopy(value)
    return new


def patched(held: Json, operations: list[Json]) -> Json:
    """The object with a JSON patch applied; raises :class:`Refusal` where that cannot be done."""
    new = deepcopy(held)
    for operation in operations:
        try:
            _apply(new, operation)
        except (LookupError, ValueError, TypeError):
            raise invalid(NOT_APPLICABLE) from None
    return new


def _apply(document: Json, operation: Json) -> None:
    match operation["op"]:
        case "test":
            if _get(document, operation["path"]) != operation.get("value"):
                raise ValueError("the test failed")
        case "add":
            _add(document, operation["path"], deepcopy(operation["value"]))
        case "remove":
            _take(document, operation["path"])
        case "replace":
            _replace(document, operation["path"], deepcopy(operation["value"]))
        case "move":
            _add(document, operation["path"], _take(document, operation["from"]))
        case "copy":
            _add(document, operation["path"], deepcopy(_get(document, operation["from"])))
        case unknown:
            raise ValueError(unknown)


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _child(parent: Any, name: str) -> Any:  # noqa: ANN401 - any JSON value
    return parent[int(name) if isinstance(parent, list) else name]


def _get(document: Json, pointer: str) -> Any:  # noqa: ANN401 - any JSON value
    return reduce(_child, _parts(pointer), document)


def _take(document: Json, pointer: str) -> Any:  # noqa: ANN401 - any JSON value
    *parents, last = _parts(pointer)
    at: Any = reduce(_child, parents, document)
    return at.pop(int(last) if isinstance(at, list) else last)


def _replace(document: Json, pointer: str, value: object) -> None:
    *parents, last = _parts(pointer)
    at: Any = reduce(_child, parents, document)
    if isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value  # the API server's library minds no key that is not there


def _add(document: Json, pointer: str, value: object) -> None:
    *parents, last = _parts(pointer)
    at: Any = reduce(_child, parents, document)
    if not isinstance(at, list):
        at[last] = value
        return
    index = len(at) if last == "-" else int(last)
    if not 0 <= index <= len(at):
        raise IndexError(index)
    at.insert(index, value)
