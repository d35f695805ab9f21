"""The pages that a controller serves for its kubelet and for Prometheus."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

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
