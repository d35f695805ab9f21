"""The clouds a lab can stand in: how each is emulated and what its words are."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moorage_testing.clouds.serving import HttpEmulator
    from moorage_testing.contract import ContractWorld


@dataclass(frozen=True, slots=True)
class LabCloud:
    """One cloud.

    Attributes:
        name: as ``spec.cloud.provider`` has it.
        emulator: class in ``moorage_testing.clouds.<name>``.
        network: first three bytes of the addresses that tests reserve there.
        elsewhere: what makes an address one of another location.
        changes: cloud mutations until an address that moves is bound again.
        afterwards: mutations after that, which give the old node its own address again.
        lends: whether nodes have addresses of their own, which they give up for a reserved one.
    """

    name: str
    emulator: str
    network: str
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    changes: int = 1
    afterwards: int = 0
    lends: bool = True

    def start(self) -> HttpEmulator[Any]:
        """An emulator, not running yet."""
        module = importlib.import_module(f"moorage_testing.clouds.{self.name}")
        emulator: HttpEmulator[Any] = getattr(module, self.emulator)()
        return emulator

    def contract(self, emulator: HttpEmulator[Any]) -> ContractWorld:
        """The same cloud as the provider contract lets it fail."""
        module = importlib.import_module(f"moorage_testing.clouds.{self.name}.contract")
        world: ContractWorld = getattr(module, f"{self.name.capitalize()}ContractWorld")(emulator)
        return world


AWS = LabCloud("aws", "Ec2Emulator", "203.0.113", {"border_group": "eu-west-1-wl1-ber-wlz-1"})
GCP = LabCloud("gcp", "GceEmulator", "198.51.100", {"region": "us-east1"}, changes=3, afterwards=1)
AZURE = LabCloud(
    "azure", "ArmEmulator", "192.0.2", {"location": "brazilsouth"}, changes=2, lends=False
)
CLOUDS = (AWS, GCP, AZURE)
