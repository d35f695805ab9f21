"""The pages that a controller serves for its kubelet and for Prometheus."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterable

from lab_logs import not_made_in_ending_namespaces

from moorage_domain.rbac import PolicyRule
from moorage_testing.processes import Child


def answer(child: Child, path: str) -> tuple[int, str]:
    """Status and text of a page of a controller; 0 where nobody answers."""
    found = re.search(r'"port": (\d+)', child.log.read_text())
    if not found:
        return 0, ""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}{path}", timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def used_rights(child: Child) -> set[tuple[str, str]]:
    """Resource and verb of every request that a controller has made, as its metrics count them."""
    pattern = r'kube_requests_total\{code="\d+",resource="([^"]+)",verb="([^"]+)"\}'
    return set(re.findall(pattern, answer(child, "/metrics")[1]))


def refused_requests(child: Child) -> list[str]:
    """The series of requests that were forbidden, or not as they should be.

    Not those by which something could not be made in a namespace that ends: the log has each.
    """
    text = answer(child, "/metrics")[1]
    ending = not_made_in_ending_namespaces(child.log.read_text())
    pattern = r'(kube_requests_total\{code="4(?:0[13]|22)",resource="([^"]+)",verb="[^"]+"\}) (\d+)'
    return [
        f"{series} {count}"
        for series, resource, count in re.findall(pattern, text)
        if not _is(series, "403", "create") or int(count) > ending[resource]
    ]


def _is(series: str, code: str, verb: str) -> bool:
    return f'code="{code}"' in series and f'verb="{verb}"' in series


def unused(rules: Iterable[PolicyRule], child: Child) -> set[tuple[str, str]]:
    """Rights that a controller has not made use of yet."""
    granted = {(res, verb) for right in rules for res in right.resources for verb in right.verbs}
    return granted - used_rights(child)
