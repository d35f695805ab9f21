"""The command line of the first version, in the words of this one; pure."""

from __future__ import annotations

from collections.abc import Iterable

FLAGS = {
    "port": "--webhook-port",
    "certFile": "--webhook-certificate",
    "keyFile": "--webhook-key",
    "clientCAFile": "--client-ca-file",
    "clientAuth": "--client-auth",
    "admitAll": "--admit-all",
    "logFile": "--log-file",
    "logLevel": "--log-level",
}
"""Every flag that it had, and ours with the same meaning."""
SWITCHES = frozenset({"clientAuth", "admitAll"})
"""Those that are true or false, and true without a value."""
TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
LOG_LEVELS = {
    "trace": "debug",
    "warn": "warning",
    "fatal": "error",
    "panic": "error",
}
"""Levels that we do not have, and the nearest ones."""


def translated(arguments: Iterable[str]) -> list[str]:
    """The same command line with our flags; what is no flag of the first version stays.

    Its flags may begin with one dash or with two, and a switch may have ``=true`` or ``=false``
    behind it. A value of a switch that is neither stays, so that it is refused and not guessed.
    """
    return [_translated(one) for one in arguments]


def log_level(text: str) -> str:
    """Our level by a name that the first version knew, in any case; others stay."""
    return LOG_LEVELS.get(text.lower(), text.lower())


def _translated(argument: str) -> str:
    if not argument.startswith("-"):
        return argument
    dashes = 2 if argument.startswith("--") else 1
    name, equals, value = argument[dashes:].partition("=")
    ours = FLAGS.get(name)
    if ours is None:
        return argument
    if name not in SWITCHES or not equals:
        return f"{ours}{equals}{value}"
    if value in TRUE:
        return ours
    return f"--no-{ours[2:]}" if value in FALSE else argument
