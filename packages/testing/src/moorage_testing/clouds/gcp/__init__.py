"""Compute Engine over HTTP: instances, external addresses and the operations between them."""

from moorage_testing.clouds.gcp.emulator import GceEmulator
from moorage_testing.clouds.gcp.world import GceWorld
from moorage_testing.clouds.world import Instance

__all__ = ["GceEmulator", "GceWorld", "Instance"]
