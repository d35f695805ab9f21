"""The emulated Compute Engine as a process of its own."""

import sys

from moorage_testing.clouds.gcp.emulator import REGIONS, GceEmulator
from moorage_testing.clouds.process import Program, run

PROGRAM = Program(
    "moorage_testing.clouds.gcp", REGIONS[0], lambda name: {"goog-k8s-cluster-name": name}
)

if __name__ == "__main__":
    sys.exit(run(PROGRAM, GceEmulator))
