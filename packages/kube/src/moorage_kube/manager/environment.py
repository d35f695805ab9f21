"""Environment variables with our prefix: the known ones, and a word about each that is unknown."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

PREFIX = "MOORAGE_"

# Whoever runs the tests sets these, and every controller they start inherits them.
OF_OUR_TESTS = frozenset(
    {
        "MOORAGE_CLOUD_RUNS",
        "MOORAGE_CRASH_STRIDE",
        "MOORAGE_RANDOM_RUNS",
        "MOORAGE_RUN",
        "MOORAGE_TOOLCHAIN",
    }
)
_SERVICE = "_SERVICE_HOST"


def unknown(
    environment: Mapping[str, str], known: Iterable[str], plugin_groups: Iterable[str] = ()
) -> list[str]:
    """One sentence about each variable with our prefix that nothing reads, sorted by name.

    Args:
        environment: all variables of the process.
        known: the names that settings have.
        plugin_groups: groups of entry points. A plug-in ``x`` owns ``MOORAGE_X_...``: the names in
            ``VARIABLES`` of its module, or all of them where it has no such list.
    """
    ours = {name for name in environment if name.upper().startswith(PREFIX)}
    candidates = {*known, *OF_OUR_TESTS}
    rest = {name for name in ours if name.upper() not in candidates}
    rest -= _of_services(environment)
    for point in _owners(rest, plugin_groups):
        names = _variables(point)
        mine = {name for name in rest if name.upper().startswith(_prefix(point))}
        rest -= mine if names is None else {name for name in mine if name.upper() in names}
        candidates |= names or set()
    return [_sentence(name, candidates - OF_OUR_TESTS) for name in sorted(rest)]


def addresses_of_services(environment: Mapping[str, str]) -> set[str]:
    """Names that settings may share with a Service: ``MOORAGE_METRICS_PORT`` of moorage-metrics.

    Whoever sets the variable for us writes a number, the kubelet an address such as
    ``tcp://10.0.0.1:80``.
    """
    return {name for name in _of_services(environment) if "://" in environment[name]}


def ignored(environment: Mapping[str, str], known: Iterable[str]) -> list[str]:
    """One sentence about each known name that has the address of a Service, sorted by name."""
    names = {name.upper() for name in known}
    found = (one for one in addresses_of_services(environment) if one.upper() in names)
    return [
        f"{name}: {environment[name]!r} is the address of a Service, as the kubelet tells pods,"
        " and is not read; set enableServiceLinks: false in the pod"
        for name in sorted(found)
    ]


def _of_services(environment: Mapping[str, str]) -> set[str]:
    """What the kubelet sets in every pod of a namespace for a Service such as ``moorage-core``."""
    services = [name.removesuffix(_SERVICE) for name in environment if name.endswith(_SERVICE)]
    starts = tuple(f"{one}_{part}" for one in services for part in ("SERVICE_", "PORT"))
    return {name for name in environment if name.startswith(starts)}


def _owners(names: Iterable[str], groups: Iterable[str]) -> list[EntryPoint]:
    """The plug-ins to which some of the names belong; no other one is imported."""
    points = [point for group in groups for point in entry_points(group=group)]
    upper = [name.upper() for name in names]
    return [point for point in points if any(name.startswith(_prefix(point)) for name in upper)]


def _prefix(point: EntryPoint) -> str:
    return f"{PREFIX}{point.name.upper().replace('-', '_')}_"


def _variables(point: EntryPoint) -> set[str] | None:
    """The names a plug-in reads; ``None``: it does not say, or it cannot be imported."""
    try:
        module = importlib.import_module(point.module)
    except Exception:  # noqa: BLE001 - whoever uses the plug-in reports what is wrong with it
        return None
    names = getattr(module, "VARIABLES", None)
    return None if names is None else set(names)


def _sentence(name: str, candidates: Iterable[str]) -> str:
    # The prefix, which all share, would make all names similar.
    endings = sorted(one.removeprefix(PREFIX) for one in candidates if one.startswith(PREFIX))
    nearest = difflib.get_close_matches(name.upper().removeprefix(PREFIX), endings, n=1)
    hint = f"did you mean {PREFIX}{nearest[0]}?" if nearest else "see --help"
    return f"{name} is no variable that anything reads; {hint}"
