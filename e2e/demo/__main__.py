"""Start the demo: ``python -m e2e.demo --help``."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from e2e.demo.cloud import forget_own_account
from e2e.demo.keep import how_to_look_around
from e2e.demo.options import Options, parse
from e2e.demo.play import NotObserved, Player
from e2e.demo.show import Lines, Tables, say, screen
from e2e.demo.steps import STEPS
from e2e.demo.world import open_world
from moorage_testing.cluster import ToolchainError
from moorage_testing.cluster.toolchain import build_all
from moorage_testing.processes import ChildError
