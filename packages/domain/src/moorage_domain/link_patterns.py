"""Patterns for names of links: regular expressions that cost little, whoever writes them."""

from __future__ import annotations

import re
from functools import lru_cache

MOST_REPEATS = 6
"""So often ``*``, ``+``, ``?`` or ``{2}`` may stand in one. Of a name of 15 characters a try then
takes thousandths of a second at most; repeats within repeats would take for ever."""
_ONE = r"(?:[A-Za-z0-9_.:@-]|\\[.dw-]|\[\^?[A-Za-z0-9_.:@-]+\])"
_REPEAT = r"(?:[*+?]|\{[0-9]{1,2}(?:,[0-9]{0,2})?\})"
_TERM = f"{_ONE}{_REPEAT}?"
GRAMMAR = rf"^\^?(?:{_TERM}|\||\((?:{_TERM}|\|)*\))*\$?$"
"""What may stand in one, as a regular expression that RE2, and so CEL, reads as well."""
WAY_OUT = (
    r"write letters, digits, ., [0-9] or \d, each with *, +, ? or {2} behind it if wanted (six at"
    " most), and (a|b) without, as in eth[0-9]+"
)


class InvalidPattern(ValueError):
    """It is no such pattern; the text says what to write."""


@lru_cache(maxsize=1024)
def link_pattern(text: str) -> re.Pattern[str]:
    """A pattern that the whole name of a link must match. Raises :class:`InvalidPattern`."""
    if not re.fullmatch(GRAMMAR, text):
        raise InvalidPattern(f"{text!r} is no pattern for links: {WAY_OUT}")
    if sum(map(text.count, "*+?{")) > MOST_REPEATS:
        raise InvalidPattern(f"{text!r} repeats more than {MOST_REPEATS} times: {WAY_OUT}")
    try:
        return re.compile(text, re.ASCII)
    except re.error as error:
        raise InvalidPattern(f"{text!r} is no pattern for links, {error}: {WAY_OUT}") from error
