"""Checks JSON against the types that the Azure SDK ships, generated from the API's description."""

from __future__ import annotations

import importlib
import types
import typing
from enum import Enum
from functools import cache
from typing import Any

import typing_extensions

_WRAPPERS = (typing.Required, typing.NotRequired, typing.Annotated)
_SCALARS = (bool, float, int, str)


def problems(kind: object, value: object, where: str) -> list[str]:
    """Violations of its type in a value, each as ``where: what``."""
    origin = typing.get_origin(kind)
    if origin in _WRAPPERS:
        return problems(typing.get_args(kind)[0], value, where)
    if origin in (typing.Union, types.UnionType):
        return _of_union(typing.get_args(kind), value, where)
    if origin is list:
        return _of_list(typing.get_args(kind)[0], value, where)
    # Not `typing.is_typeddict`: the SDK's come from typing_extensions, which the one of the
    # standard library does not recognise on Python 3.11 - everything would pass.
    if typing_extensions.is_typeddict(typing.cast("type", kind)):
        return _of_object(typing.cast("type", kind), value, where)
    if kind in _SCALARS and type(value) is not kind:
        return [f"{where}: {type(value).__name__} is no {typing.cast('type', kind).__name__}"]
    return []


def writable(kind: object, value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """A value without the read-only fields, which the cloud ignores in a request."""
    origin = typing.get_origin(kind)
    if origin in _WRAPPERS:
        return writable(typing.get_args(kind)[0], value)
    if origin is list and isinstance(value, list):
        return [writable(typing.get_args(kind)[0], element) for element in value]
    known = typing.cast("type", kind)
    if not typing_extensions.is_typeddict(known) or not isinstance(value, dict):
        return value
    fields, fixed = _fields(known), _read_only(known)
    return {
        name: writable(fields.get(name), inner)
        for name, inner in value.items()
        if name not in fixed
    }


def _of_union(kinds: tuple[object, ...], value: object, where: str) -> list[str]:
    choices = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)]
    if value is None:
        return [] if type(None) in kinds else [f"{where}: null"]
    if choices and isinstance(value, str):
        known = {member.value for choice in choices for member in choice}
        return [] if value in known else [f"{where}: {value!r} is not one of {choices[0].__name__}"]
    return problems(next(kind for kind in kinds if kind is not type(None)), value, where)


def _of_list(kind: object, value: object, where: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{where}: {type(value).__name__} is no list"]
    return [found for element in value for found in problems(kind, element, f"{where}[]")]


def _of_object(kind: type, value: object, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {type(value).__name__} is no {kind.__name__}"]
    fields = _fields(kind)
    found: list[str] = []
    for name, inner in value.items():
        if name in fields:
            found += problems(fields[name], inner, f"{where}.{name}")
        else:
            found.append(f"{where}.{name}: unknown")
    return found


@cache
def _fields(kind: type) -> dict[str, object]:
    here = importlib.import_module(kind.__module__)
    # The types name the enums of the models without importing them at run time.
    known = {**vars(_models(kind)), **vars(here)}
    return typing.get_type_hints(kind, globalns=known, include_extras=True)


@cache
def _read_only(kind: type) -> frozenset[str]:
    """The fields that the SDK's model of the same name never sends."""
    model = getattr(_models(kind), kind.__name__, None)
    if model is None:
        return frozenset()
    # The first instance fills the table of fields.
    model()
    fields = vars(model)["_attr_to_rest_field"].values()
    return frozenset(
        vars(field)["_rest_name_input"]
        for field in fields
        if vars(field)["_visibility"] == ["read"]
    )


def _models(kind: type) -> types.ModuleType:
    return importlib.import_module(kind.__module__.rpartition(".")[0] + ".models")
