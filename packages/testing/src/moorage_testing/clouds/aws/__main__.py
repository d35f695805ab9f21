"""The emulated EC2 as a process of its own."""

import sys

from moorage_testing.clouds.aws.emulator import Ec2Emulator
from moorage_testing.clouds.process import Program, run

PROGRAM = Program(
    "moorage_testing.clouds.aws",
    "eu-west-1",
    lambda name: {f"kubernetes.io/cluster/{name}": "owned"},
)

if __name__ == "__main__":
    sys.exit(run(PROGRAM, Ec2Emulator))
