"""The images of this checkout, for clusters that are made here and can be given them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from e2e.clusters.cluster import Cluster, ClusterError
from e2e.images.build import Built, build, choose_engine, programs
from e2e.images.engine import BuildFailed, EngineMissing
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.nodes import write_image

APP_IMAGE = "localhost/probe:1"


@functools.cache
def images() -> Mapping[str, Built]:
    """Build that of each controller, which takes minutes without what an earlier run has left."""
    try:
        return {built.package: built for built in build(programs(), choose_engine())}
    except (BuildFailed, EngineMissing) as error:
        raise ClusterError(str(error)) from error


def archives(folder: Path) -> Iterable[Path]:
    """The files to be given to each node; those that are made for the occasion are in a folder."""
    probe = write_image(folder / "probe.tar", APP_IMAGE, tool_path("probe"))
    return (*(built.archive for built in images().values()), probe)


class OwnImages(Cluster):
    """A cluster whose nodes were given the archives; nothing is pulled."""

    def image(self, part: str) -> Mapping[str, Any]:
        """As it was built here."""
        repository, _, tag = images()[part].tag.rpartition(":")
        return {"repository": repository, "tag": tag, "pullPolicy": "Never"}

    @property
    def app_image(self) -> str:
        """A small server."""
        return APP_IMAGE
