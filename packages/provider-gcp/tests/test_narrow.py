"""A narrow package imports only what is used, and everything once more is needed."""

import subprocess
import sys

import pytest

from moorage_provider_gcp.narrow import narrow

SERVICES = """
import sys
from moorage_provider_gcp import clients
print(*(name.split(".")[4] for name in sys.modules
        if name.startswith("google.cloud.compute_v1.services.") and name.count(".") == 4))
"""
WHOLE = """
from moorage_provider_gcp.clients import InstancesClient
from google.cloud import compute_v1
assert compute_v1.InstancesClient is InstancesClient
print(compute_v1.DisksClient.__name__)
"""


def printed(program: str) -> str:
    """The output of a process in which nothing else has imported the SDK."""
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout.strip()


def test_only_what_is_used_is_imported() -> None:
    services = printed(SERVICES).split()
    assert {"addresses", "instances", "zone_operations"} <= {*services}
    # Each may need one or two others for its operations; there are more than a hundred.
    assert len(services) < 10


def test_importing_more_imports_the_whole_package() -> None:
    assert printed(WHOLE) == "DisksClient"


def test_a_package_that_is_already_imported_stays_as_it_is() -> None:
    before = sys.modules["json"]
    narrow("json")
    assert sys.modules["json"] is before


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no module named 'moorage_nowhere'"):
        narrow("moorage_nowhere")
