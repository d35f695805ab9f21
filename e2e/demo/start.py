"""Start a demo: without the settings of whoever starts it, and with all that it needs built."""

from __future__ import annotations

import os
from collections.abc import Callable

from e2e.demo import shutdown
from e2e.demo.play import BROKEN
from e2e.demo.show import say
from moorage_testing.cluster import ToolchainError
from moorage_testing.cluster.toolchain import FOLDER_VARIABLE, build_all
from moorage_testing.processes import MARK_VARIABLE

_SETTINGS = ("AWS_", "GOOGLE_", "GCE_", "AZURE_", "MOORAGE_")
# Folders of the tools and the mark of the run: these variables lead to no cloud.
_OWN = (FOLDER_VARIABLE, MARK_VARIABLE)


def start(play: Callable[[], int]) -> int:
    """Play; the exit code, also where a part does not come up or a signal ends it."""
    _forget_own_settings()
    shutdown.listen()
    try:
        # Before any screen: a build shows its own progress.
        build_all()
        return play()
    except shutdown.Stopped as stopped:
        say(f"stopped by {stopped}; all of it is ended")
        return stopped.exit_code
    except (ToolchainError, *BROKEN) as error:
        say(f"the demo did not come up: {error}")
        return 1


def _forget_own_settings() -> None:
    """Remove them all from the environment: no call may reach a real account."""
    for name in [name for name in os.environ if name.startswith(_SETTINGS) and name not in _OWN]:
        del os.environ[name]
