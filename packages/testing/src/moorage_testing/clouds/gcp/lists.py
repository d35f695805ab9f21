"""Lists of resources: filters and pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from moorage_testing.clouds.gcp.project import Project, Row, invalid, region_of

PAGE_SIZE = 500
_TERM = re.compile(r'\(?\s*(\w+)\s*(=|!=|eq|ne)\s*"?([^"()\s]+)"?\s*\)?')


def instances(project: Project, zone: str, query: Mapping[str, str]) -> Row:
    """The instances of a zone."""
    rows = [row for (its_zone, _), row in project.instances.items() if its_zone == zone]
    return _listed(project, "compute#instanceList", f"zones/{zone}/instances", rows, query)


def addresses(project: Project, region: str, query: Mapping[str, str]) -> Row:
    """The reserved addresses of a region."""
    rows = [row for row in project.addresses.values() if region_of(row) == region]
    shown = _shown(project, rows)
    return _listed(project, "compute#addressList", f"regions/{region}/addresses", shown, query)


def all_addresses(project: Project, query: Mapping[str, str], scopes: Sequence[str]) -> Row:
    """The reserved addresses of all regions, by region; empty regions have a warning."""
    rows = _shown(project, list(project.addresses.values()))
    page = _listed(project, "compute#addressAggregatedList", "aggregated/addresses", rows, query)
    items: dict[str, Row] = {}
    for row in page["items"]:
        region = region_of(row)
        scope = "global" if region == "global" else f"regions/{region}"
        items.setdefault(scope, {"addresses": []})["addresses"].append(row)
    for scope in scopes:
        if scope not in items:
            text = f"There are no results for scope '{scope}' on this page."
            items[scope] = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": text}}
    return page | {"items": items}


def _shown(project: Project, rows: Sequence[Row]) -> list[Row]:
    users = project.users()
    return [project.shown(row, users) for row in rows]


def _listed(
    project: Project, kind: str, path: str, rows: Sequence[Row], query: Mapping[str, str]
) -> Row:
    matches = _filter(query.get("filter", ""))
    found = [row for row in rows if matches(row)]
    start, size = _number(query, "pageToken", 0), _number(query, "maxResults", PAGE_SIZE)
    if size > PAGE_SIZE:
        raise invalid(
            f"Invalid value for field 'maxResults': '{size}'. Must be between 0 and {PAGE_SIZE}."
        )
    answer: Row = {
        "kind": kind,
        "id": f"projects/{project.name}/{path}",
        "selfLink": project.link(path),
        "items": found[start : start + size],
    }
    if start + size < len(found):
        answer["nextPageToken"] = str(start + size)
    return answer


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not text.isdecimal():
        raise invalid(f"Invalid value for field '{name}': '{text}'.")
    return int(text)


def _filter(text: str) -> Callable[[Row], bool]:
    """Terms like ``(status = "IN_USE")``, all of which must match; nothing else is emulated."""
    terms = [_TERM.fullmatch(part) for part in re.split(r"\s+AND\s+|\)\s*(?=\()", text) if part]
    found = [term for term in terms if term]
    if len(found) != len(terms):
        raise invalid(
            f"Invalid value for field 'filter': '{text}'. Invalid list filter expression."
        )

    def matches(row: Row) -> bool:
        return all(
            (str(row.get(term[1], "")) == term[3]) == (term[2] in ("=", "eq")) for term in found
        )

    return matches
