"""The images of this checkout, for clusters that are made here and can be given them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from e2e.clusters.cluster import Cluster, ClusterError
from e2e.images.build import Built, build, choose_engine
from e2e.images.engine import BuildFailed, EngineMissing
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.nodes import write_image

APP_IMAGE = "localhost/probe:1"


@functools.cache
def core_image() -> Built:
    """Build it, which takes minutes without what an earlier run has left."""
    try:
        (built,) = build(["core"], choose_engine())
    except (BuildFailed, EngineMissing) as error:
        raise ClusterError(str(error)) from error
    return built


def archives(folder: Path) -> Iterable[Path]:
    """The files to be given to each node; those that are made for the occasion are in a folder."""
    return core_image().archive, write_image(folder / "probe.tar", APP_IMAGE, tool_path("probe"))


class OwnImages(Cluster):
    """A cluster whose nodes were given the archives; nothing is pulled."""

    @property
    def image(self) -> Mapping[str, Any]:
        """As it was built here."""
        repository, _, tag = core_image().tag.rpartition(":")
        return {"repository": repository, "tag": tag, "pullPolicy": "Never"}

    @property
    def app_image(self) -> str:
        """A small server."""
        return APP_IMAGE
