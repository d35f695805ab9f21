"""The state of a machine's network as nmstate takes it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from moorage_machine_ipam.render.values import NO_DNS, Device, Dns, InvalidNetwork, with_gateway

Json = dict[str, Any]

_EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
# NetworkManager's own for Ethernet. Without one nmstate makes it 0 for every IPv4 device, and of
# two default routes that are alike it would be chance which one is used.
_FIRST_METRIC = 100


def nmstate(devices: Iterable[Device], dns: Dns = NO_DNS) -> Json:
    """The whole desired state of these devices, sorted by their index.

    A family without lease is switched off, and name servers of that family are left out: nmstate
    refuses a whole state whose servers no interface can reach. ``routes`` is there only if a lease
    has a gateway, and ``dns-resolver`` only if it has something to say: an empty one would remove
    what the machine has. Of several default routes that of the lowest index is used.

    A device that is found by its MAC is named in ``next-hop-interface`` by its profile, which
    nmstate understands since https://github.com/nmstate/nmstate/pull/2841 of February 2025.

    Source: ``BaseInterface``, ``InterfaceIp``, ``RouteEntry`` and ``DnsState`` in rust/src/lib of
    nmstate/nmstate.

    Raises:
        InvalidNetwork: when two devices have the same interface.
    """
    ordered = sorted(devices, key=lambda device: device.index)
    _refuse_same_interface(ordered)
    state: Json = {"interfaces": [_interface(device) for device in ordered]}
    routes = [route for device in ordered for route in _routes(device)]
    if routes:
        state["routes"] = {"config": routes}
    resolver = _resolver(ordered, dns)
    if resolver:
        state["dns-resolver"] = {"config": resolver}
    return state


def _resolver(devices: Iterable[Device], dns: Dns) -> Json:
    versions = {lease.version for device in devices for lease in device.leases}
    servers = [one for one in dns.servers if ipaddress.ip_address(one).version in versions]
    lists = {"server": servers, "search": list(dns.search) if versions else []}
    return {name: values for name, values in lists.items() if values}


def _refuse_same_interface(devices: Iterable[Device]) -> None:
    seen: dict[str, int] = {}
    for device in devices:
        if device.interface in seen:
            raise InvalidNetwork(
                f"devices {seen[device.interface]} and {device.index} are both called"
                f' "{device.interface}": give each an interface of its own'
            )
        seen[device.interface] = device.index


def _interface(device: Device) -> Json:
    interface: Json = {"name": device.interface, "type": "ethernet", "state": "up"}
    if device.mac:
        # Without the identifier, nmstate would give the interface this MAC.
        interface["identifier"] = "mac-address"
        interface["mac-address"] = device.mac.upper().replace("-", ":")
    interface["ipv4"] = _family(device, 4, {"dhcp": False})
    interface["ipv6"] = _family(device, 6, {"dhcp": False, "autoconf": False})
    return interface


def _family(device: Device, version: int, by_hand: Json) -> Json:
    addresses = [
        {"ip": lease.address, "prefix-length": lease.prefix}
        for lease in device.leases
        if lease.version == version
    ]
    # nmstate takes an enabled IPv4 without addresses for a disabled one.
    return {"enabled": True, **by_hand, "address": addresses} if addresses else {"enabled": False}


def _routes(device: Device) -> Iterable[Json]:
    for version, everywhere in _EVERYWHERE.items():
        lease = with_gateway(device.leases, version)
        if lease is None:
            continue
        # nmstate knows no on-link flag: a route without next-hop-address is of scope link, and by
        # it the kernel finds that the gateway is a neighbour.
        if lease.gateway_route:
            yield {"destination": lease.gateway_route, "next-hop-interface": device.interface}
        yield {
            "destination": everywhere,
            "next-hop-address": lease.gateway,
            "next-hop-interface": device.interface,
            "metric": _FIRST_METRIC + device.index,
        }
