"""Azure Resource Manager over HTTPS: public addresses, network interfaces, virtual machines."""

from moorage_testing.clouds.azure.emulator import ArmEmulator
from moorage_testing.clouds.azure.world import ArmWorld
from moorage_testing.clouds.world import Instance

__all__ = ["ArmEmulator", "ArmWorld", "Instance"]
