"""The contents of one project, as rows of the API: instances, addresses, their users."""

from __future__ import annotations

import base64
import ipaddress
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

# The cloud's host name in links, independent of the address it was reached by.
_LINKS = "https://www.googleapis.com/compute/v1/"
MADE_AT = "2026-01-01T00:00:00.000-08:00"
NAT_NAME = "External NAT"
ONE_TO_ONE = "ONE_TO_ONE_NAT"
DIRECT_V6 = "DIRECT_IPV6"
EXTERNAL_V6 = "externalIpv6"
DUAL = "IPV4_IPV6"
_IPV6_PREFIX = 96
# 198.18.0.0/15 is for benchmarks (RFC 2544); the contract reserves from its start.
_LENT = ipaddress.IPv4Address("198.19.0.1")


@dataclass(eq=False)
class GceError(Exception):
    """A refusal as Compute Engine spells it.

    Attributes:
        status: of the HTTP answer, or of the operation that ends in it.
        reason: in the answer's list of errors.
        message: for people.
        code: in the list of errors of an operation.
        headers: of the answer.
    """

    status: int
    reason: str
    message: str
    code: str = "INVALID_USAGE"
    headers: Mapping[str, str] = field(default_factory=dict)


def invalid(message: str, code: str = "INVALID_USAGE") -> GceError:
    """The current state does not allow the request: the most common refusal."""
    return GceError(400, "invalid", message, code)


class Project:
    """One project.

    Attributes:
        name: its id.
        ipv6_access: whether its subnetwork's IPv6 is ``EXTERNAL`` or ``INTERNAL``.
        instances: by zone and name.
        addresses: by their text.
        may_have_addresses: names of the instances that the organisation policy
            ``compute.vmExternalIpAccess`` lets have one, ``None`` = all.
        policy_is_late: that is found out only by the operation, not by the request.
        elsewhere: links of users that are no instances, by the address they use.
        spoiled: addresses whose rows show a text that is none.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.ipv6_access = "EXTERNAL"
        self.may_have_addresses: frozenset[str] | None = None
        self.policy_is_late = False
        self.instances: dict[tuple[str, str], Row] = {}
        self.addresses: dict[str, Row] = {}
        self.elsewhere: dict[str, str] = {}
        self.spoiled: set[str] = set()
        self._numbers = itertools.count(1_000_000_000_000_000_001)
        self._lent = itertools.count()
        self._fingerprints = itertools.count(1)

    def link(self, path: str) -> str:
        """The link of something in the project."""
        return f"{_LINKS}projects/{self.name}/{path}"

    def number(self) -> str:
        """A fresh numeric id."""
        return str(next(self._numbers))

    def new_ephemeral_ip(self) -> str:
        """A fresh ephemeral address."""
        return str(_LENT + next(self._lent))

    def touch(self, interface: Row) -> None:
        """Give a changed interface a new fingerprint."""
        number = next(self._fingerprints)
        interface["fingerprint"] = base64.b64encode(number.to_bytes(8, "big")).decode()

    def instance(self, zone: str, name: str) -> Row:
        """An instance by its name or numeric id."""
        for (its_zone, its_name), row in self.instances.items():
            if its_zone == zone and name in (its_name, row["id"]):
                return row
        raise self.not_found(f"zones/{zone}/instances/{name}")

    def interface(self, instance: Row, name: str) -> Row:
        """One interface of an instance."""
        for interface in instance["networkInterfaces"]:
            if interface["name"] == name:
                found: Row = interface
                return found
        raise invalid(
            f"Invalid value for field 'networkInterface': '{name}'. The network interface is"
            " not found."
        )

    def address(self, region: str, name: str) -> Row:
        """A reserved address by its name or numeric id."""
        for row in self.addresses.values():
            if region_of(row) == region and name in (row["name"], row["id"]):
                return self.shown(row)
        raise self.not_found(f"regions/{region}/addresses/{name}")

    def not_found(self, path: str) -> GceError:
        """The refusal for a missing resource."""
        message = f"The resource 'projects/{self.name}/{path}' was not found"
        return GceError(404, "notFound", message, "RESOURCE_NOT_FOUND")

    def shown(self, row: Row, users: Mapping[str, str] | None = None) -> Row:
        """A reserved address with its current user."""
        ip = row["address"]
        user = (self.users() if users is None else users).get(ip)
        if ip in self.spoiled:
            row = row | {"address": f"{ip} (being moved)"}
        if user is None:
            return row | {"status": "RESERVED"}
        return row | {"status": "IN_USE", "users": [user]}

    def users(self) -> dict[str, str]:
        """The users of all addresses, reserved or ephemeral, as links."""
        on_instances = {
            ip: instance["selfLink"]
            for instance in self.instances.values()
            for interface in instance["networkInterfaces"]
            for ip in public_ips(interface)
        }
        return self.elsewhere | on_instances

    def release(self, ip: str) -> None:
        """Take an address from its user."""
        self.elsewhere.pop(ip, None)
        for instance in self.instances.values():
            for interface in instance["networkInterfaces"]:
                for key, which in (("accessConfigs", "natIP"), ("ipv6AccessConfigs", EXTERNAL_V6)):
                    if any(one.get(which) == ip for one in interface.get(key, ())):
                        del interface[key]
                        self.touch(interface)

    def bind(self, interface: Row, config: Mapping[str, Any]) -> None:
        """Give an interface an access config; replaces the one it has."""
        tier = self.addresses.get(config.get("natIP", ""), {}).get("networkTier", "PREMIUM")
        row = {"kind": "compute#accessConfig", "name": NAT_NAME, "networkTier": tier, **config}
        key = "accessConfigs"
        if config["type"] == DIRECT_V6:
            key = "ipv6AccessConfigs"
            row.setdefault("externalIpv6PrefixLength", _IPV6_PREFIX)
            interface |= {"stackType": DUAL, "ipv6AccessType": self.ipv6_access}
        interface[key] = [row]
        self.touch(interface)


def public_ips(interface: Row) -> Iterator[str]:
    """The public addresses of an interface."""
    for config in (*interface.get("accessConfigs", ()), *interface.get("ipv6AccessConfigs", ())):
        ip = config.get("natIP") or config.get(EXTERNAL_V6)
        if ip:
            yield ip


def region_of(row: Row) -> str:
    """The region of an address, ``global`` = none."""
    return str(row.get("region", "global")).rsplit("/", 1)[-1]


def region_of_zone(zone: str) -> str:
    """The region that a zone is in."""
    return zone.rpartition("-")[0]


def new_instance(project: Project, zone: str, name: str, labels: Mapping[str, str]) -> Row:
    """A running instance without an interface."""
    return {
        "kind": "compute#instance",
        "id": project.number(),
        "name": name,
        "creationTimestamp": MADE_AT,
        "zone": project.link(f"zones/{zone}"),
        "selfLink": project.link(f"zones/{zone}/instances/{name}"),
        "machineType": project.link(f"zones/{zone}/machineTypes/e2-standard-2"),
        "status": "RUNNING",
        "labels": dict(labels),
        "labelFingerprint": "42WmSpB8rSM=",
        "networkInterfaces": [],
    }


def add_interface(project: Project, instance: Row, zone: str, private_ip: str) -> Row:
    """Give an instance one more interface."""
    interface = {
        "kind": "compute#networkInterface",
        "name": f"nic{len(instance['networkInterfaces'])}",
        "networkIP": private_ip,
        "network": project.link("global/networks/default"),
        "subnetwork": project.link(f"regions/{region_of_zone(zone)}/subnetworks/default"),
        "stackType": "IPV4_ONLY",
    }
    project.touch(interface)
    instance["networkInterfaces"].append(interface)
    return interface


def new_address(project: Project, region: str, ip: str, tier: str) -> Row:
    """A reserved external address; in no region = a global one."""
    name = f"ip-{ip.replace('.', '-').replace(':', '-').rstrip('-')}"
    where = f"regions/{region}" if region else "global"
    row: Row = {
        "kind": "compute#address",
        "id": project.number(),
        "name": name,
        "creationTimestamp": MADE_AT,
        "address": ip,
        "addressType": "EXTERNAL",
        "networkTier": tier,
        "selfLink": project.link(f"{where}/addresses/{name}"),
    }
    if region:
        row["region"] = project.link(where)
    if ":" in ip:
        v6 = {"ipVersion": "IPV6", "prefixLength": _IPV6_PREFIX, "ipv6EndpointType": "VM"}
        row |= v6
    return row
