"""Plug-ins: objects found by entry point, only the one asked for being imported."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points


class PluginError(LookupError):
    """The plug-in is unavailable; the base of the errors below."""


class PluginMissing(PluginError):
    """No installed distribution offers the plug-in."""


class PluginConflict(PluginError):
    """Two installed distributions offer a plug-in of the same name."""


class PluginUnfit(PluginError):
    """What the plug-in makes lacks a member that is needed here."""


def load(group: str, name: str, docs: str = "") -> object:
    """The object that the entry point ``name`` of ``group`` names.

    ``docs``: the page about these plug-ins, for whoever asked for one that is absent.

    Raises :class:`PluginMissing` (naming what is installed, and what was probably meant),
    :class:`PluginConflict`, and whatever the import of the plug-in raises.
    """
    found = require_installed(group, name, docs)
    if len(found) > 1:
        owners = ", ".join(sorted(point.dist.name if point.dist else "?" for point in found))
        msg = (
            f"the {group} plug-in {name!r} comes from more than one package: {owners}; "
            "uninstall all but one"
        )
        raise PluginConflict(msg)
    plugin: object = found[0].load()
    return plugin


def require_installed(group: str, name: str, docs: str = "") -> tuple[EntryPoint, ...]:
    """The entry points ``name`` of ``group``, of which nothing is imported.

    Raises :class:`PluginMissing` where there is none; ``docs`` as for :func:`load`.
    """
    offered = entry_points(group=group)
    found = tuple(point for point in offered if point.name == name)
    if not found:
        raise PluginMissing(_missing(group, name, {point.name for point in offered}, docs))
    return found


def require(group: str, name: str, made: object, protocol: type) -> None:
    """Raise :class:`PluginUnfit` where ``made`` lacks a public member of ``protocol``.

    A plug-in may have been written for another version: one clear error here is better than an
    ``AttributeError`` wherever the member is used first.
    """
    members = {*vars(protocol), *protocol.__annotations__}
    public = sorted(member for member in members if not member.startswith("_"))
    if missing := [member for member in public if not hasattr(made, member)]:
        msg = (
            f"the {group} plug-in {name!r} lacks {', '.join(missing)}; "
            "install a version of it that was made for this one"
        )
        raise PluginUnfit(msg)


def _missing(group: str, name: str, installed: Iterable[str], docs: str) -> str:
    """What is there instead. Never a package to install: whoever types a name may mistype it."""
    names = sorted(installed)
    nearest = difflib.get_close_matches(name.strip().lower(), names, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    see = f"; how to add one: {docs}" if docs else ""
    return f"no {group} plug-in {name!r}; installed: {', '.join(names) or 'none'}{hint}{see}"
