"""The emulated Azure as a process of its own."""

import sys

from moorage_testing.clouds.azure.emulator import ArmEmulator
from moorage_testing.clouds.process import Program, run

PROGRAM = Program(
    "moorage_testing.clouds.azure",
    "westeurope",
    # Azure's tags cannot hold a slash.
    lambda name: {f"kubernetes.io_cluster_{name}": "owned"},
)

if __name__ == "__main__":
    sys.exit(run(PROGRAM, ArmEmulator))
