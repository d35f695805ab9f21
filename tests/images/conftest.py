"""Fixtures for the images that ``./nox -s images`` built."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from e2e.images.archive import Archive
from e2e.images.build import OUTPUT, programs
from unpacked import Unpacked


@pytest.fixture(scope="session", params=programs())
def package(request: pytest.FixtureRequest) -> str:
    """Each controller."""
    return str(request.param)


@pytest.fixture(scope="session")
def archive(package: str) -> Archive:
    """Its image as it was built."""
    return Archive(OUTPUT / f"{package}.tar")


@pytest.fixture(scope="session")
def image(
    package: str, archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Unpacked]:
    """That image in a folder."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root may change the root of a process")
    root = tmp_path_factory.mktemp("root")
    # Whoever runs in it is another user, and the folders of pytest are private.
    for folder in (root, *root.parents[:2]):
        folder.chmod(0o755)
    archive.unpack(root)
    yield Unpacked(package, root, archive.config())
    # 250 MB that nobody looks at again.
    shutil.rmtree(root)
