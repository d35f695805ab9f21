"""The emulated subscription: its resources by id, and which interface has which address."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from moorage_testing.clouds.azure.resources import ADDRESS, UNIFORM_ADDRESS, Row


class ArmError(Exception):
    """A request that Azure Resource Manager refuses."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


class Account:
    """Resources by id; ids are compared without regard to case, as the real cloud does.

    Attributes:
        locked: resources that an administrator locked, by id in lower case.
        dying: machines that are marked for deletion, by id in lower case, and whether a write is
            refused only once it was accepted.
        spoiled: addresses whose rows show a text that is none, by id.
    """

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._etags = itertools.count(1)
        self.locked: set[str] = set()
        self.dying: dict[str, bool] = {}
        self.spoiled: set[str] = set()

    def add(self, row: Row) -> None:
        """Add a resource, or replace the one with its id."""
        self.touch(row)
        self._rows[row["id"].lower()] = row

    def touch(self, row: Row) -> None:
        """Change a resource's ETag: what was read of it before is stale now."""
        row["etag"] = f'W/"{next(self._etags):08d}"'
        for configuration in configurations(row):
            configuration["etag"] = row["etag"]

    def find(self, resource_id: str) -> Row | None:
        """A resource; ``None`` = there is none."""
        return self._rows.get(resource_id.lower())

    def get(self, resource_id: str) -> Row:
        """A resource; refuses where there is none."""
        row = self.find(resource_id)
        if row is not None:
            return row
        _, _, rest = resource_id.partition("/resourceGroups/")
        group, _, name = rest.partition("/providers/")
        text = f"The Resource '{name}' under resource group '{group}' was not found."
        raise ArmError(404, "ResourceNotFound", text)

    def remove(self, row: Row) -> None:
        """Delete a resource; its bindings must be removed before."""
        self.spoiled.discard(row["id"])
        del self._rows[row["id"].lower()]

    def of_kind(self, kind: str, under: str = "/") -> list[Row]:
        """All resources of a kind whose id has this prefix."""
        start = under.lower()
        return [
            row
            for resource_id, row in self._rows.items()
            if row["type"] == kind and resource_id.startswith(start)
        ]

    def addresses(self) -> Iterator[Row]:
        """All public addresses, including those of Uniform scale sets."""
        yield from self.of_kind(ADDRESS)
        yield from self.of_kind(UNIFORM_ADDRESS)

    def bind(self, interface: Row, configuration: Row, address: Row) -> None:
        """Bind an address to one of an interface's private ones."""
        configuration["properties"]["publicIPAddress"] = {"id": address["id"]}
        address["properties"]["ipConfiguration"] = {"id": configuration["id"]}
        self.touch(interface)
        self.touch(address)

    def free(self, address: Row) -> None:
        """Free an address."""
        holder = address["properties"].pop("ipConfiguration", None)
        address["properties"].pop("natGateway", None)
        self.touch(address)
        interface = self.find(interface_of(holder["id"])) if holder else None
        if interface is not None:
            for configuration in configurations(interface):
                if address_id(configuration) == address["id"].lower():
                    del configuration["properties"]["publicIPAddress"]
            self.touch(interface)


def configurations(interface: Row) -> list[Row]:
    """The private addresses of an interface; none of anything else."""
    found: list[Row] = interface["properties"].get("ipConfigurations") or []
    return found


def address_id(configuration: Row) -> str:
    """The public address of a private one, in lower case; ``""`` = none."""
    reference = configuration["properties"].get("publicIPAddress") or {}
    return str(reference.get("id", "")).lower()


def address_ids(interface: Row) -> Iterable[str]:
    """All public addresses of an interface, in lower case."""
    return [found for found in map(address_id, configurations(interface)) if found]


def interface_of(configuration_id: str) -> str:
    """The interface that a private address belongs to."""
    return configuration_id.rpartition("/ipConfigurations/")[0]
