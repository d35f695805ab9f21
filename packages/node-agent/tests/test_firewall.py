"""With restrictions, only the service's ports and ICMP of an address answer; others are free."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from moorage_domain.families import parse_address
from moorage_node_agent.firewall import Firewall
from moorage_node_agent.namespace import Namespace
from moorage_testing.lab import Lab

OPEN, CLOSED = 7200, 7201
BOTH = ("10.99.8.1", "fd99::8:1")


@pytest.fixture
def firewall(lab: Lab) -> Iterator[Firewall]:
    firewall = Firewall(Namespace(lab.node(1).namespace.path))
    try:
        firewall.restrict({parse_address("192.0.2.1"): frozenset({("TCP", 1)})})
        firewall.restrict({})
    except OSError as error:
        pytest.skip(f"no nftables here: {error}")
    yield firewall
    firewall.restrict({})


def answered(lab: Lab, address: str) -> list[int]:
    """The ports at which the node answers."""
    return [port for port in (OPEN, CLOSED) if lab.client.answers(address, port, 0.2)]


@pytest.mark.parametrize("text", BOTH)
def test_only_the_ports_of_the_service_answer_at_its_address(
    lab: Lab, firewall: Firewall, text: str
) -> None:
    node, own = lab.node(1), lab.node(1).address6 if ":" in text else lab.node(1).address
    node.add(f"{text}/{128 if ':' in text else 32}")
    with node.echo(OPEN), node.echo(CLOSED):
        assert answered(lab, text) == [OPEN, CLOSED]
        firewall.restrict({parse_address(text): frozenset({("UDP", OPEN)})})
        assert answered(lab, text) == [OPEN]
        assert answered(lab, own) == [OPEN, CLOSED]
        firewall.restrict({})
        assert answered(lab, text) == [OPEN, CLOSED]


def test_a_protocol_that_no_service_has_is_dropped(lab: Lab, firewall: Firewall) -> None:
    node = lab.node(1)
    node.add("10.99.8.1/32")
    firewall.restrict({parse_address("10.99.8.1"): frozenset({("TCP", OPEN)})})
    with node.echo(OPEN):
        assert answered(lab, "10.99.8.1") == []


def test_icmp_still_answers(lab: Lab, firewall: Firewall) -> None:
    node = lab.node(1)
    node.add("10.99.8.1/32")
    firewall.restrict({parse_address("10.99.8.1"): frozenset({("TCP", OPEN)})})

    def echo() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as one:
            one.settimeout(10.0)
            one.sendto(bytes.fromhex("0800f7fd00010001"), ("10.99.8.1", 0))
            return one.recv(100)

    assert lab.client.namespace.call(echo)[20] == 0  # an echo reply


def test_500_addresses_are_restricted_in_one_transaction(firewall: Firewall) -> None:
    first = parse_address("10.99.8.1")
    many = [parse_address(first.family.format(first.number + n)) for n in range(500)]
    firewall.restrict({one: frozenset({("TCP", 80), ("UDP", 53)}) for one in many})


def test_a_new_process_removes_what_the_one_before_left(lab: Lab, firewall: Firewall) -> None:
    node = lab.node(1)
    node.add("10.99.8.1/32")
    firewall.restrict({parse_address("10.99.8.1"): frozenset({("TCP", OPEN)})})
    with node.echo(OPEN):
        assert answered(lab, "10.99.8.1") == []
        Firewall(Namespace(node.namespace.path)).restrict({})
        assert answered(lab, "10.99.8.1") == [OPEN]
