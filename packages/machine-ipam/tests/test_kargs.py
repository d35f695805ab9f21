"""The arguments of the kernel are those of machine-api-operator, to the byte."""

from __future__ import annotations

import pytest

from moorage_machine_ipam.render.kargs import kargs
from moorage_machine_ipam.render.values import Dns, Lease
from moorage_machine_ipam.render.vsphere import vsphere_device

# The addresses and expectations of testStaticIPsWithSimulator in
# pkg/controller/vsphere/reconciler_test.go; it trims the last space.
V4, V6 = Lease("192.168.1.2", 24, "192.168.1.1"), Lease("2001::2", 64, "2001::1")
IP4 = "ip=192.168.1.2::192.168.1.1:255.255.255.0:::none "
IP6 = "ip=[2001::2]::[2001::1]:64:::none "


@pytest.mark.parametrize(
    ("leases", "nameservers", "expected"),
    [
        ((V4,), ("192.168.1.100",), f"{IP4}nameserver=192.168.1.100 "),
        ((V6,), ("2001::100",), f"{IP6}nameserver=[2001::100] "),
        (
            (V4, Lease("2001::2", 64)),
            ("192.168.1.100",),
            f"{IP4}ip=[2001::2]:::64:::none nameserver=192.168.1.100 ",
        ),
        (
            (V4, Lease("192.168.1.11", 24, "192.168.1.1")),
            ("192.168.1.100",),
            f"{IP4}ip=192.168.1.11::192.168.1.1:255.255.255.0:::none nameserver=192.168.1.100 ",
        ),
        # Beyond what is tested there.
        ((), (), ""),
        ((), ("192.0.2.53",), "nameserver=192.0.2.53 "),
        ((Lease("192.0.2.10", 24),), (), "ip=192.0.2.10:::255.255.255.0:::none "),
        ((Lease("2001:db8::a", 64),), (), "ip=[2001:db8::a]:::64:::none "),
        ((Lease("192.0.2.10", 23),), (), "ip=192.0.2.10:::255.255.254.0:::none "),
        (
            (Lease("203.0.113.10", 32, "192.0.2.1", on_link=True),),
            (),
            "ip=203.0.113.10::192.0.2.1:255.255.255.255:::none ",
        ),
        (
            (Lease("2001:db8::a", 64, "fe80::1"),),
            ("192.0.2.53", "2001:db8::53"),
            (
                "ip=[2001:db8::a]::[fe80::1]:64:::none"
                " nameserver=192.0.2.53 nameserver=[2001:db8::53] "
            ),
        ),
        # The pools' last gateway decides for the whole device, so one family has none.
        ((V4, V6), (), f"ip=192.168.1.2:::255.255.255.0:::none {IP6}"),
        ((V6, V4), (), f"ip=[2001::2]:::64:::none {IP4}"),
        # Go's To4 and ParseIP.
        ((), ("::ffff:192.0.2.53",), "nameserver=::ffff:192.0.2.53 "),
        ((), ("fe80::53%ens192", "dns"), "nameserver=[fe80::53%ens192] nameserver=[dns] "),
    ],
)
def test_kargs_golden(
    leases: tuple[Lease, ...], nameservers: tuple[str, ...], expected: str
) -> None:
    assert kargs(leases, nameservers) == expected


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        ("192.168.1.1", f"{IP4}ip=[2001::2]:::64:::none "),
        ("2001::1", f"ip=192.168.1.2:::255.255.255.0:::none {IP6}"),
        ("", "ip=192.168.1.2:::255.255.255.0:::none ip=[2001::2]:::64:::none "),
    ],
)
def test_the_gateway_of_a_device_without_pools_is_its_own(gateway: str, expected: str) -> None:
    assert kargs((V4, V6), (), gateway) == expected


def test_a_rendered_device_boots_with_the_ipv4_gateway() -> None:
    device = vsphere_device({}, (V4, V6), Dns(("192.168.1.100",)))
    assert device["ipAddrs"] == ["192.168.1.2/24", "2001::2/64"]
    booted = kargs((V4, V6), device["nameservers"], device["gateway"])
    assert booted == f"{IP4}ip=[2001::2]:::64:::none nameserver=192.168.1.100 "
