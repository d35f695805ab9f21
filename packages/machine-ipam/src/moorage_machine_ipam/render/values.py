"""What the renderers are given: the leases of a device, the device, and its DNS."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

DEFAULT_INTERFACE = "ens192"
"""What Linux calls the first vmxnet3 adapter of a VM of vSphere; the README's own name for it."""

_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")


class InvalidNetwork(ValueError):
    """No machine could use this lease, device or name server; the message says why."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One address given to one device.

    Attributes:
        address: in its canonical spelling; the family of the lease is the address's.
        prefix: length of the subnet's prefix, not of the range it was taken from.
        gateway: canonical, of the same family; ``""`` = the subnet has no way out. An IPv6 gateway
            may be link-local or outside the subnet.
        on_link: the IPv4 gateway is reached on this device though it is outside the subnet, as
            with a /32 in many clouds.

    Raises:
        InvalidNetwork: when made of parts that do not belong together.
    """

    address: str
    prefix: int
    gateway: str = ""
    on_link: bool = False

    def __post_init__(self) -> None:
        ip = _canonical("address", self.address)
        if not 1 <= self.prefix <= ip.max_prefixlen:
            raise InvalidNetwork(f"prefix {self.prefix} of {ip} is not in 1..{ip.max_prefixlen}")
        if not self.gateway:
            return
        gateway = _canonical("gateway", self.gateway)
        if gateway.version != ip.version:
            raise InvalidNetwork(f"gateway {gateway} is not of the family of {ip}")
        if gateway == ip:
            raise InvalidNetwork(f"{ip} is the gateway's own address")
        outside = isinstance(ip, IPv4Address) and gateway not in self.subnet
        if outside and not self.on_link:
            raise InvalidNetwork(f"gateway {gateway} is outside {self.subnet} and not on-link")

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.address).version

    @property
    def cidr(self) -> str:
        """The address with its prefix, as in ``ipAddrs`` of a device."""
        return f"{self.address}/{self.prefix}"

    @property
    def subnet(self) -> IPNetwork:
        """The network the address is in."""
        return ipaddress.ip_network(self.cidr, strict=False)

    @property
    def gateway_route(self) -> str:
        """The host route without which the gateway is out of reach; ``""`` = none is needed."""
        if not self.gateway:
            return ""
        gateway = ipaddress.ip_address(self.gateway)
        # Every interface has a route to link-local addresses.
        if gateway in self.subnet or (isinstance(gateway, IPv6Address) and gateway.is_link_local):
            return ""
        return f"{gateway}/{gateway.max_prefixlen}"


@dataclass(frozen=True, slots=True)
class Device:
    """One network device of a machine with its leases.

    Attributes:
        index: its place in ``network.devices`` of the machine.
        interface: its name in Linux; with ``mac``, any name for its profile.
        mac: as people write it, in either case, with colons or dashes; ``""`` = the device is found
            by the interface's name.
        leases: in the order in which they are set; none = the device is up without an address.

    Raises:
        InvalidNetwork: when the MAC is not one.
    """

    index: int
    interface: str = DEFAULT_INTERFACE
    mac: str = ""
    leases: tuple[Lease, ...] = ()

    def __post_init__(self) -> None:
        if self.mac and not _MAC.fullmatch(self.mac):
            raise InvalidNetwork(
                f'"{self.mac}" of device {self.index} is not a MAC address:'
                " write one like 00:50:56:AB:CD:EF"
            )


@dataclass(frozen=True, slots=True)
class Dns:
    """The name servers of a machine and the domains it searches.

    Attributes:
        servers: addresses, the first one is asked first; Linux asks three at most.

    Raises:
        InvalidNetwork: when a server is no address.
    """

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in self.servers:
            try:
                ipaddress.ip_address(text)
            except ValueError as error:
                raise InvalidNetwork(f'name server "{text}" is not an IP address') from error


NO_DNS = Dns()


def with_gateway(leases: Iterable[Lease], version: int) -> Lease | None:
    """The lease whose gateway counts for a family; ``None``: the family has no gateway.

    It is the last one that has any, as in ``getAddressesFromPool`` of machine-api-operator.
    """
    found = None
    for lease in leases:
        if lease.version == version and lease.gateway:
            found = lease
    return found


def _canonical(field: str, text: str) -> IPAddress:
    """The address in a text; raises ``InvalidNetwork`` for every spelling but the canonical one."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError as error:
        raise InvalidNetwork(f'{field} "{text}" is not an IP address') from error
    if isinstance(ip, IPv6Address) and (ip.scope_id or ip.ipv4_mapped):
        raise InvalidNetwork(f'{field} "{text}" has a zone, or is an IPv4 address in IPv6')
    if str(ip) != text:
        raise InvalidNetwork(f'{field} "{text}" is not canonical: write {ip}')
    return ip
