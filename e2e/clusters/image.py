"""The controller's image, built once for all that need it."""

import functools

from e2e.clusters.cluster import ClusterError
from e2e.images.build import Built, build, choose_engine
from e2e.images.engine import BuildFailed, EngineMissing


@functools.cache
def core_image() -> Built:
    """Build it, which takes minutes without what an earlier run has left."""
    try:
        (built,) = build(["core"], choose_engine())
    except (BuildFailed, EngineMissing) as error:
        raise ClusterError(str(error)) from error
    return built
