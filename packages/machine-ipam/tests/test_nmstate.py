"""nmstate takes what is rendered, to the last field.

``State`` and the classes below it are nmstate's own rules, written down from its serde structs in
rust/src/lib of nmstate/nmstate, all of them ``deny_unknown_fields``: ``BaseInterface``
(ifaces/base.rs, commit 201548c), ``InterfaceIp`` and ``InterfaceIpAddr`` (ip.rs, ff817b5),
``RouteEntry``, ``Routes::validate`` and ``MergedRoutes::new`` (route.rs, 0159c26), ``DnsState``
(dns.rs, 05848fc); of their fields only those that we write. The JSON schema of its Python days,
libnmstate/schemas/operational-state.yaml, lets every unknown field pass, so it proves nothing.

All golden states here were also given to ``NetworkState::gen_conf`` of the crate nmstate 2.2.62,
which made profiles for NetworkManager of them.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, IPvAnyNetwork, model_validator

from moorage_machine_ipam.render.nmstate import nmstate
from moorage_machine_ipam.render.values import NO_DNS, Device, Dns, InvalidNetwork, Lease


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=_kebab, strict=True)


class Address(Strict):
    ip: IPvAnyAddress
    prefix_length: int


class Family(Strict):
    enabled: bool
    dhcp: bool | None = None
    address: list[Address] | None = None

    @model_validator(mode="after")
    def no_address_is_off(self) -> Family:
        assert self.enabled == bool(self.address), "an empty enabled family is taken for disabled"
        assert self.enabled == (self.dhcp is False)
        return self


class Family6(Family):
    autoconf: bool | None = None

    @model_validator(mode="after")
    def is_by_hand(self) -> Family6:
        assert self.enabled == (self.autoconf is False)
        return self


class Interface(Strict):
    name: Annotated[str, Field(min_length=1)]
    type: Literal["ethernet"]
    state: Literal["up"]
    identifier: Literal["mac-address"] | None = None
    mac_address: Annotated[str | None, Field(pattern="^([0-9A-F]{2}:){5}[0-9A-F]{2}$")] = None
    ipv4: Family
    ipv6: Family6

    @model_validator(mode="after")
    def families_are_apart(self) -> Interface:
        for version, family in ((4, self.ipv4), (6, self.ipv6)):
            for address in family.address or ():
                assert address.ip.version == version
                assert address.prefix_length <= address.ip.max_prefixlen
        assert (self.identifier is None) == (self.mac_address is None)
        return self


class Route(Strict):
    destination: IPvAnyNetwork
    next_hop_interface: Annotated[str, Field(min_length=1)]
    next_hop_address: IPvAnyAddress | None = None
    metric: int | None = None


class RouteList(Strict):
    config: Annotated[list[Route], Field(min_length=1)]


class Resolver(Strict):
    server: Annotated[list[str] | None, Field(min_length=1)] = None
    search: Annotated[list[str] | None, Field(min_length=1)] = None


class ResolverState(Strict):
    config: Resolver


class State(Strict):
    interfaces: Annotated[list[Interface], Field(min_length=1)]
    routes: RouteList | None = None
    dns_resolver: ResolverState | None = None

    @model_validator(mode="after")
    def routes_and_servers_have_an_interface(self) -> State:
        families = {
            (each.name, version)
            for each in self.interfaces
            for version, family in ((4, each.ipv4), (6, each.ipv6))
            if family.enabled
        }
        for route in self.routes.config if self.routes else ():
            assert (route.next_hop_interface, route.destination.version) in families
            hop = route.next_hop_address
            assert hop is None or hop.version == route.destination.version
        for server in (self.dns_resolver and self.dns_resolver.config.server) or ():
            version = ipaddress.ip_address(server).version
            assert version in {family[1] for family in families}, "no suitable interface for DNS"
        return self


V4 = Lease("192.168.101.64", 23, "192.168.100.1")
V6 = Lease("2001:db8:1::a", 64, "2001:db8:1::1")
DNS = Dns(("192.0.2.53", "2001:db8::53"), ("example.org",))

IPV4 = {
    "enabled": True,
    "dhcp": False,
    "address": [{"ip": "192.168.101.64", "prefix-length": 23}],
}
IPV6 = {
    "enabled": True,
    "dhcp": False,
    "autoconf": False,
    "address": [{"ip": "2001:db8:1::a", "prefix-length": 64}],
}
OFF = {"enabled": False}


def ethernet(ipv4: object, ipv6: object, name: str = "ens192", **more: str) -> dict[str, Any]:
    named = {key.replace("_", "-"): value for key, value in more.items()}
    return {"name": name, "type": "ethernet", "state": "up", **named, "ipv4": ipv4, "ipv6": ipv6}


def default(gateway: str, name: str = "ens192", metric: int = 100) -> dict[str, Any]:
    return {
        "destination": "::/0" if ":" in gateway else "0.0.0.0/0",
        "next-hop-address": gateway,
        "next-hop-interface": name,
        "metric": metric,
    }


def static(address: str, prefix: int, **more: bool) -> dict[str, Any]:
    listed = [{"ip": address, "prefix-length": prefix}]
    return {"enabled": True, "dhcp": False, **more, "address": listed}


GOLDEN: dict[str, tuple[tuple[Device, ...], Dns, dict[str, Any]]] = {
    "v4": (
        (Device(0, leases=(V4,)),),
        DNS,
        {
            "interfaces": [ethernet(IPV4, OFF)],
            "routes": {"config": [default("192.168.100.1")]},
            "dns-resolver": {"config": {"server": ["192.0.2.53"], "search": ["example.org"]}},
        },
    ),
    "v6": (
        (Device(0, leases=(V6,)),),
        Dns(("2001:db8::53",)),
        {
            "interfaces": [ethernet(OFF, IPV6)],
            "routes": {"config": [default("2001:db8:1::1")]},
            "dns-resolver": {"config": {"server": ["2001:db8::53"]}},
        },
    ),
    "dual stack": (
        (Device(0, leases=(V6, V4)),),
        DNS,
        {
            "interfaces": [ethernet(IPV4, IPV6)],
            "routes": {"config": [default("192.168.100.1"), default("2001:db8:1::1")]},
            "dns-resolver": {
                "config": {"server": ["192.0.2.53", "2001:db8::53"], "search": ["example.org"]}
            },
        },
    ),
    "no gateway": (
        (Device(0, leases=(Lease("192.168.101.64", 23),)),),
        NO_DNS,
        {"interfaces": [ethernet(IPV4, OFF)]},
    ),
    "link-local gateway": (
        (Device(0, leases=(Lease("2001:db8:1::a", 64, "fe80::1"),)),),
        NO_DNS,
        {"interfaces": [ethernet(OFF, IPV6)], "routes": {"config": [default("fe80::1")]}},
    ),
    "IPv6 gateway outside the subnet": (
        (Device(0, leases=(Lease("2001:db8:1::a", 64, "2001:db8:2::1"),)),),
        NO_DNS,
        {
            "interfaces": [ethernet(OFF, IPV6)],
            "routes": {
                "config": [
                    {"destination": "2001:db8:2::1/128", "next-hop-interface": "ens192"},
                    default("2001:db8:2::1"),
                ]
            },
        },
    ),
    "on-link gateway": (
        (Device(0, leases=(Lease("203.0.113.10", 32, "192.0.2.1", on_link=True),)),),
        NO_DNS,
        {
            "interfaces": [ethernet(static("203.0.113.10", 32), OFF)],
            "routes": {
                "config": [
                    {"destination": "192.0.2.1/32", "next-hop-interface": "ens192"},
                    default("192.0.2.1"),
                ]
            },
        },
    ),
    "two devices, in the order of their index": (
        (
            Device(1, "ens224", leases=(V6, Lease("10.0.0.5", 24, "10.0.0.1"))),
            Device(0, leases=(V4,)),
        ),
        NO_DNS,
        {
            "interfaces": [
                ethernet(IPV4, OFF),
                ethernet(static("10.0.0.5", 24), IPV6, "ens224"),
            ],
            "routes": {
                "config": [
                    default("192.168.100.1"),
                    default("10.0.0.1", "ens224", 101),
                    default("2001:db8:1::1", "ens224", 101),
                ]
            },
        },
    ),
    "found by its MAC": (
        (Device(0, "primary", "00-50-56-ab-cd-ef", (V4,)),),
        NO_DNS,
        {
            "interfaces": [
                ethernet(
                    IPV4, OFF, "primary", identifier="mac-address", mac_address="00:50:56:AB:CD:EF"
                )
            ],
            "routes": {"config": [default("192.168.100.1", "primary")]},
        },
    ),
    # https://github.com/kubernetes-sigs/cluster-api-provider-vsphere/issues/1228
    "a device for others, without an address": (
        (Device(0, leases=(V4,)), Device(1, "ens224")),
        NO_DNS,
        {
            "interfaces": [ethernet(IPV4, OFF), ethernet(OFF, OFF, "ens224")],
            "routes": {"config": [default("192.168.100.1")]},
        },
    ),
    "name servers that no interface can reach": (
        (Device(0, leases=(V4,)),),
        Dns(("2001:db8::53",)),
        {
            "interfaces": [ethernet(IPV4, OFF)],
            "routes": {"config": [default("192.168.100.1")]},
        },
    ),
    "no address at all": (
        (Device(0),),
        DNS,
        {"interfaces": [ethernet(OFF, OFF)]},
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_nmstate_golden(case: str) -> None:
    devices, dns, expected = GOLDEN[case]
    state = nmstate(devices, dns)
    assert state == expected
    State.model_validate(state)


def addresses(version: int) -> st.SearchStrategy[str]:
    mapped = ipaddress.ip_network("::ffff:0:0/96")
    every = st.ip_addresses(v=4) if version == 4 else st.ip_addresses(v=6)
    return every.filter(lambda ip: ip.version == 4 or ip not in mapped).map(str)


@st.composite
def leases(draw: st.DrawFn) -> Lease:
    version = draw(st.sampled_from([4, 6]))
    address, gateway = draw(st.lists(addresses(version), min_size=2, max_size=2, unique=True))
    prefix = draw(st.integers(1, 32 if version == 4 else 128))
    return Lease(address, prefix, draw(st.sampled_from(["", gateway])), on_link=True)


@settings(deadline=None)
@given(
    found=st.lists(st.lists(leases(), max_size=3), min_size=1, max_size=3),
    servers=st.lists(st.ip_addresses().map(str), max_size=3),
)
def test_whatever_the_leases_nmstate_takes_them(
    found: list[list[Lease]], servers: list[str]
) -> None:
    devices = [Device(index, f"eth{index}", leases=tuple(each)) for index, each in enumerate(found)]
    state = State.model_validate(nmstate(devices, Dns(tuple(servers))))
    for device, interface in zip(devices, state.interfaces, strict=True):
        there = [*(interface.ipv4.address or ()), *(interface.ipv6.address or ())]
        assert sorted(str(each.ip) for each in there) == sorted(
            lease.address for lease in device.leases
        )


def test_two_devices_of_one_interface_are_refused() -> None:
    with pytest.raises(InvalidNetwork, match='devices 0 and 1 are both called "ens192": give each'):
        nmstate([Device(0), Device(1)])


def test_the_state_of_the_readme_would_be_refused() -> None:
    seed = {
        "interfaces": [
            {"name": "ens192", "ipv4": {"address": [{"ip": "192.0.2.3", "prefix-length": 24}]}}
        ],
        "dns-resolver": {"config": {"server": ["192.0.2.53"]}},
        "routes": {"config": [{"next-hop-address": "192.0.2.1"}]},
    }
    with pytest.raises(ValueError, match=r"routes.config.0.destination\n  Field required"):
        State.model_validate(seed)
