"""The text in ``spec.config`` of a net-attach-def, as CNI reads it; pure.

The rules are those of the CNI specification (1.1.0, section 1) and of Multus, which puts the name
of the net-attach-def where the config has none, and reads a file where there is no config.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_TEXTS = ("cniVersion", "name", "type")
_FLAGS = ("disableCheck", "disableGC")
_TRUTHS = ("true", "false")


class InvalidConfig(Exception):
    """CNI cannot read the config; the message says where, what is there, and what is expected."""


@dataclass(frozen=True, slots=True)
class CniConfig:
    """What is of interest in a config.

    Attributes:
        name: ``""`` = none; then that of the net-attach-def is used.
        types: of its plug-ins, in their order; empty = there is no config.
    """

    name: str = ""
    types: tuple[str, ...] = ()


def parse_config(text: str) -> CniConfig:
    """Read a config; raises :class:`InvalidConfig`.

    Nothing but blanks is a config without plug-ins.
    """
    if not text.strip():
        return CniConfig()
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidConfig(f"it is no JSON: {error.msg.lower()} in {place}") from error
    except RecursionError as error:
        raise InvalidConfig("it is no JSON that can be read: it is nested too deeply") from error
    if not isinstance(raw, dict):
        raise InvalidConfig(f"it is {_shown(raw)}; write a JSON object: {{...}}")
    for key in _TEXTS:
        _check_text(raw, key, "")
    name = raw.get("name") or ""
    if name and not _NAME.fullmatch(name):
        raise InvalidConfig(
            f'"name" is {_shown(name)}; it begins with a letter or digit, and has only those, "_",'
            ' "." and "-" after it'
        )
    if "plugins" not in raw:
        return CniConfig(name, (_type_of(raw, ""),))
    return CniConfig(name, tuple(_types_of_list(raw)))


def types_of(text: str) -> tuple[str, ...]:
    """The types of the plug-ins; none where the config cannot be read."""
    try:
        return parse_config(text).types
    except InvalidConfig:
        return ()


def _types_of_list(raw: Mapping[str, Any]) -> Iterator[str]:
    """Of a list of plug-ins, as CNI calls it."""
    for key in _FLAGS:
        _check_flag(raw, key)
    plugins = raw["plugins"]
    if not isinstance(plugins, list) or not plugins:
        raise InvalidConfig(
            f'"plugins" is {_shown(plugins)}; write a list with one plug-in or more'
        )
    for index, plugin in enumerate(plugins):
        where = f"plugins[{index}]"
        if not isinstance(plugin, dict):
            raise InvalidConfig(f"{where} is {_shown(plugin)}; write a JSON object: {{...}}")
        for key in _TEXTS:
            _check_text(plugin, key, f"{where}.")
        yield _type_of(plugin, f"{where}.")


def _type_of(plugin: Mapping[str, Any], where: str) -> str:
    """The name of the program; the other fields that all plug-ins have are looked at, too."""
    found = plugin.get("type")
    if not found:
        instead = ' or "plugins"' if not where else ""
        raise InvalidConfig(
            f'"{where}type"{instead} is missing; name the CNI plug-in, such as "bridge"'
        )
    if "/" in found:
        raise InvalidConfig(
            f'"{where}type" is {_shown(found)}; it is the name of a program, no path'
        )
    ipam = plugin.get("ipam")
    if ipam is not None and not isinstance(ipam, dict):
        raise InvalidConfig(f'"{where}ipam" is {_shown(ipam)}; write a JSON object: {{...}}')
    _check_text(ipam or {}, "type", f"{where}ipam.")
    capabilities = plugin.get("capabilities")
    if capabilities is not None and not (
        isinstance(capabilities, dict)
        and all(isinstance(one, bool) for one in capabilities.values())
    ):
        raise InvalidConfig(
            f'"{where}capabilities" is {_shown(capabilities)}; write an object of true and false'
        )
    return str(found)


def _check_text(raw: Mapping[str, Any], key: str, where: str) -> None:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidConfig(f'"{where}{key}" is {_shown(value)}; write a text: "..."')


def _check_flag(raw: Mapping[str, Any], key: str) -> None:
    """CNI takes these as JSON has them, or as a text."""
    value = raw.get(key)
    if value is None or isinstance(value, bool):
        return
    if not isinstance(value, str) or value.lower() not in _TRUTHS:
        raise InvalidConfig(f'"{key}" is {_shown(value)}; write true or false')


def _shown(value: object) -> str:
    """A value as it stands in the config, cut short."""
    text = json.dumps(value, ensure_ascii=False)
    most = 40
    return text if len(text) <= most else text[: most - 1] + "…"
