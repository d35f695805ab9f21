"""Label selectors as kubectl writes them, and whether labels meet one; pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

Pair = tuple[str, str]
_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DOMAIN = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_KEY = re.compile(rf"(?:{_DOMAIN}/)?{_NAME}")
_VALUE = re.compile(rf"(?:{_NAME})?")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUALITY = re.compile(r"(?P<key>[^=!\s]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^=!\s]*)")
_BETWEEN = re.compile(r",(?![^()]*\))")  # a comma that is not within parentheses


class InvalidSelector(ValueError):
    """The text is no label selector; the message names the part and what to write."""


class Operator(enum.Enum):
    """What must hold of a label; the value is that of ``matchExpressions``."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether it holds; as in Kubernetes, ``notin`` holds where the label is missing."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case Operator.IN if len(self.values) == 1:
                return f"{self.key}={values}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator.value.lower()} ({values})"
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that all must hold; none: everything fits."""

    requirements: tuple[Requirement, ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet all of it."""
        return not self.requirements or all(one.fits(labels) for one in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Labels of which whatever fits has at least one; ``()`` = there are none such."""
        sets = [one for one in self.requirements if one.operator is Operator.IN]
        fewest = min(sets, key=lambda one: (len(one.values), one.key), default=None)
        return tuple((fewest.key, value) for value in sorted(fewest.values)) if fewest else ()

    @classmethod
    def of_labels(cls, labels: Mapping[str, str]) -> Self:
        """What has all of these labels, as ``matchLabels`` and ``spec.selector`` say it."""
        return cls(
            tuple(
                Requirement(key, Operator.IN, frozenset({value}))
                for key, value in sorted(labels.items())
            )
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``app=db,tier in (a,b),!old``; ``""`` = everything fits.

        ``app=`` is the label with an empty value. Raises :class:`InvalidSelector`.
        """
        return cls(tuple(_requirements(text)) if text.strip() else ())


def is_label_key(text: str) -> bool:
    """Whether Kubernetes takes the text as the key of a label, or of a taint."""
    return _KEY.fullmatch(text) is not None


def _requirements(text: str) -> Iterator[Requirement]:
    for part in _BETWEEN.split(text):
        yield _requirement(part.strip())


def _requirement(part: str) -> Requirement:
    found = _SET.fullmatch(part)
    if found is not None:
        values = [one.strip() for one in found["values"].split(",")]
        operator = Operator.IN if found["operator"] == "in" else Operator.NOT_IN
        return _checked(part, found["key"], operator, values)
    found = _EQUALITY.fullmatch(part)
    if found is not None:
        operator = Operator.NOT_IN if found["operator"] == "!=" else Operator.IN
        return _checked(part, found["key"], operator, [found["value"]])
    if part.startswith("!"):
        return _checked(part, part[1:].strip(), Operator.DOES_NOT_EXIST, [])
    return _checked(part, part, Operator.EXISTS, [])


def _checked(part: str, key: str, operator: Operator, values: list[str]) -> Requirement:
    if not _KEY.fullmatch(key):
        raise InvalidSelector(
            f'"{part}" is no part of a label selector: write key=value, key!=value, key in (a,b),'
            " key notin (a,b), key or !key"
        )
    for value in values:
        if not _VALUE.fullmatch(value):
            raise InvalidSelector(
                f'"{value}" in "{part}" is no value of a label: at most 63 letters, digits, -, _'
                " and ., a letter or digit at both ends"
            )
    return Requirement(key, operator, frozenset(values))
