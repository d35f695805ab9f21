"""A manager starts without the official client of Kubernetes, which is there for who wants it."""

import subprocess
import sys

ALONE = """
import sys
import moorage_kube.manager.process
print("kubernetes" in sys.modules)
from kubernetes.client import Configuration
print(Configuration.__name__)
"""
AFTERWARDS = """
import kubernetes
import moorage_kube.manager.process
print(sys.modules["kubernetes"] is kubernetes)
"""


def printed(program: str) -> list[str]:
    """What a process prints in which nothing else was imported."""
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout.split()


def test_it_is_not_imported_but_can_be() -> None:
    assert printed(ALONE) == ["False", "Configuration"]


def test_where_it_is_imported_already_it_stays() -> None:
    assert printed(f"import sys{AFTERWARDS}") == ["True"]
