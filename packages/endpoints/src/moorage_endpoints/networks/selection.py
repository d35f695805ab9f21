"""Network selections: which networks an annotation names; strict and pure.

The grammar is that of the multi-network specification 1.3 with ``@interface``, as Multus reads it::

    short = item *( "," item )                      blanks around items and their units do not count
    item  = [ namespace "/" ] name [ "@" interface ]

or a JSON list of objects with ``name`` and, if wanted, ``namespace`` and ``interface``. A text that
has any of ``[ { "`` is JSON. Other keys of those objects are not looked at.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_INTERFACE_LENGTH = 15
_JSON_SIGNS = frozenset('[{"')
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NO_INTERFACE = re.compile(r"[\s/:]")


@dataclass(frozen=True, slots=True)
class Selection:
    """One network.

    Attributes:
        interface: name of the interface in the pod; ``""`` = any.
    """

    namespace: str
    name: str
    interface: str = ""

    @property
    def network(self) -> str:
        """``namespace/name``, as the network status has it."""
        return f"{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return f"{self.network}@{self.interface}" if self.interface else self.network


class Rule(enum.Enum):
    """What a text breaks; the value says how to write it."""

    EMPTY = "it is empty; write [namespace/]name[@interface]"
    NOT_JSON = "it is no JSON; write a JSON list, or name,name without quotes and brackets"
    NOT_A_LIST = 'it is JSON, but no list; write [{"name": "a"}]'
    NO_NETWORKS = "the list is empty; name a network, or take the annotation off"
    NOT_AN_OBJECT = 'it is no JSON object; write {"name": "a"}'
    TOO_MANY_SLASHES = "it has more than one /; write namespace/name"
    TOO_MANY_ATS = "it has more than one @; write name@interface"
    NOT_A_STRING = "it is no string"
    NAME_MISSING = "it has no name"
    NOT_A_LABEL = "it has to be small letters, digits and dashes, at most 63, no dash at an end"
    NOT_AN_INTERFACE = (
        "an interface has 1 to 15 characters, no /, : or blank, and is neither . nor .."
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        position: of the item, the first is 1; 0 = the text as a whole.
        unit: ``text``, ``item``, ``namespace``, ``name`` or ``interface``.
        value: what is written there.
    """

    position: int
    unit: str
    value: str
    rule: Rule

    def __str__(self) -> str:
        where = f"{self.unit} of network {self.position}" if self.position else "the whole text"
        return f'{where}, "{self.value}": {self.rule.value}'


@dataclass(frozen=True, slots=True)
class Problems:
    """Why a text names no networks; never empty."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


def parse_selections(text: str, namespace: str) -> tuple[Selection, ...] | Problems:
    """The networks of an annotation in their order, or all that is wrong with it.

    ``namespace`` is meant where an item names none. A network may be named several times.
    """
    found = _of_json(text) if _JSON_SIGNS & set(text) else _of_items(text)
    problems = [one for one in found if isinstance(one, Problem)]
    if problems:
        return Problems(tuple(problems))
    return tuple(
        Selection(one.namespace or namespace, one.name, one.interface)
        for one in found
        if isinstance(one, Selection)
    )


def _of_items(text: str) -> list[Selection | Problem]:
    if not text.strip():
        return [Problem(0, "text", text, Rule.EMPTY)]
    items = enumerate(text.split(","), start=1)
    return [one for position, item in items for one in _of_item(position, item.strip())]


def _of_item(position: int, item: str) -> list[Selection | Problem]:
    if not item:
        return [Problem(position, "item", item, Rule.EMPTY)]
    slashes, ats = item.count("/"), item.count("@")
    if slashes > 1:
        return [Problem(position, "item", item, Rule.TOO_MANY_SLASHES)]
    if ats > 1:
        return [Problem(position, "item", item, Rule.TOO_MANY_ATS)]
    head, _, rest = item.rpartition("/")
    name, _, interface = rest.partition("@")
    units = {"namespace": head.strip(), "name": name.strip(), "interface": interface.strip()}
    written = {"namespace": bool(slashes), "name": True, "interface": bool(ats)}
    return _checked(position, units, written)


def _of_json(text: str) -> list[Selection | Problem]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return [Problem(0, "text", text, Rule.NOT_JSON)]
    if not isinstance(parsed, list):
        return [Problem(0, "text", text, Rule.NOT_A_LIST)]
    if not parsed:
        return [Problem(0, "text", text, Rule.NO_NETWORKS)]
    items = enumerate(parsed, start=1)
    return [one for position, item in items for one in _of_object(position, item)]


def _of_object(position: int, item: object) -> list[Selection | Problem]:
    if not isinstance(item, dict):
        return [Problem(position, "item", json.dumps(item), Rule.NOT_AN_OBJECT)]
    units: dict[str, str] = {}
    for unit in ("namespace", "name", "interface"):
        value = item.get(unit)
        # Go reads null as an empty text.
        if value is not None and not isinstance(value, str):
            return [Problem(position, unit, json.dumps(value), Rule.NOT_A_STRING)]
        units[unit] = value or ""
    if not units["name"]:
        return [Problem(position, "name", "", Rule.NAME_MISSING)]
    return _checked(position, units, {unit: bool(value) for unit, value in units.items()})


def _checked(
    position: int, units: Mapping[str, str], written: Mapping[str, bool]
) -> list[Selection | Problem]:
    rules = {unit: _rule(unit, value) for unit, value in units.items() if written[unit]}
    problems: list[Selection | Problem] = [
        Problem(position, unit, units[unit], rule) for unit, rule in rules.items() if rule
    ]
    return problems or [Selection(units["namespace"], units["name"], units["interface"])]


def _rule(unit: str, value: str) -> Rule | None:
    """The rule that one unit breaks; ``None`` = none."""
    if unit != "interface":
        return None if _LABEL.fullmatch(value) else Rule.NOT_A_LABEL
    fits = 0 < len(value) <= MAX_INTERFACE_LENGTH and value not in (".", "..")
    return None if fits and not _NO_INTERFACE.search(value) else Rule.NOT_AN_INTERFACE
