"""Plug-ins: objects found by entry point, only the one asked for being imported."""

from __future__ import annotations

from importlib.metadata import entry_points


class PluginError(LookupError):
    """The plug-in is unavailable; the base of the errors below."""


class PluginMissing(PluginError):
    """No installed distribution offers the plug-in."""


class PluginConflict(PluginError):
    """Two installed distributions offer a plug-in of the same name."""


class PluginUnfit(PluginError):
    """What the plug-in makes lacks a member that is needed here."""


def load(group: str, name: str) -> object:
    """The object that the entry point ``name`` of ``group`` names.

    Raises :class:`PluginMissing` (naming what is installed and what to install),
    :class:`PluginConflict`, and whatever the import of the plug-in raises.
    """
    offered = entry_points(group=group)
    found = [point for point in offered if point.name == name]
    if not found:
        installed = ", ".join(sorted({point.name for point in offered})) or "none"
        msg = (
            f"no {group} plug-in {name!r}; installed: {installed}; "
            f"try pip install {_package(group, name)}"
        )
        raise PluginMissing(msg)
    if len(found) > 1:
        owners = ", ".join(sorted(point.dist.name if point.dist else "?" for point in found))
        msg = (
            f"the {group} plug-in {name!r} comes from more than one package: {owners}; "
            "uninstall all but one"
        )
        raise PluginConflict(msg)
    plugin: object = found[0].load()
    return plugin


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


def _package(group: str, name: str) -> str:
    """The distribution that would offer it: ``moorage.providers`` + ``aws`` is one of ours."""
    family, _, kind = group.rpartition(".")
    return "-".join(part for part in (family, kind.removesuffix("s"), name) if part)
