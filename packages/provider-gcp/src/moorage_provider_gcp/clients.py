"""The Compute Engine clients that are used, without those of a hundred other services."""
# ruff: noqa: E402 - the package must be narrow before anything is imported from it

from moorage_provider_gcp.narrow import narrow

narrow("google.cloud.compute_v1")

from google.cloud.compute_v1.services.addresses import AddressesClient
from google.cloud.compute_v1.services.instances import InstancesClient
from google.cloud.compute_v1.services.zone_operations import ZoneOperationsClient
from google.cloud.compute_v1.types import compute as types

__all__ = ["AddressesClient", "InstancesClient", "ZoneOperationsClient", "types"]
