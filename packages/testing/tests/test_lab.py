"""The lab: stations reach each other, faults cut exactly what they should, nothing is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage_testing.lab import Lab, LabUnavailableError, Probes, start
from moorage_testing.lab.probes import doubled, first_answer, longest_silence, lost
from moorage_testing.waiting import wait_for

SECONDS = 20.0
FREE4, FREE6 = "10.99.8.1", "fd99::8:1"


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    try:
        with start(2) as lab:
            yield lab
    except LabUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def lab(shared: Lab) -> Iterator[Lab]:
    """With nothing but the stations' own addresses."""
    yield shared
    shared.heal()


def test_the_client_learns_which_mac_has_an_address(lab: Lab) -> None:
    one = lab.node(1)
    assert lab.client.who_has(one.address) == {one.mac}
    assert lab.client.who_has(one.address6) == {one.mac}
    assert lab.client.who_has(FREE4) == frozenset()
    assert lab.client.who_has(FREE6) == frozenset()


def test_probes_say_which_mac_answered_which_question(lab: Lab) -> None:
    one, two = lab.nodes
    with Probes(lab.station.namespace, [one.address, FREE4]) as probes:
        begun = time.monotonic()
        wait_for(lambda: len(probes.between(begun, time.monotonic())[0]) > 2, SECONDS, "questions")
        free = time.monotonic()
        two.add(f"{FREE4}/32")
        wait_for(lambda: probes.answered_by(FREE4) == {two.mac}, SECONDS, "node2 to answer")
        taken = time.monotonic()
        one.add(f"{FREE4}/32")
        wait_for(lambda: len(probes.answered_by(FREE4)) > 1, SECONDS, "both to answer")
        own, other = probes.between(begun, time.monotonic())
    assert (lost(own), doubled(own)) == (0, 0)
    assert {mac for question in own for mac in question.answers} == {one.mac}
    assert lost(question for question in other if question.asked < free) > 2
    assert (first_answer(other, two.mac) or 0.0) > free
    assert (first_answer(other, one.mac) or 0.0) > taken
    assert doubled(other) > 0
    assert longest_silence(own) < longest_silence(other)


@pytest.mark.parametrize("address", ["10.99.8.1/32", "fd99::8:1/128"])
def test_an_address_on_two_nodes_is_answered_by_two_macs(lab: Lab, address: str) -> None:
    for node in lab.nodes:
        node.add(address)
    ip, macs = address.split("/", maxsplit=1)[0], {node.mac for node in lab.nodes}
    # Of IPv6 a question goes to a group that the kernel may still be joining.
    wait_for(lambda: lab.client.who_has(ip) == macs, SECONDS, "both to answer")


@pytest.mark.parametrize("address", ["10.99.8.1/32", "fd99::8:1/128"])
def test_the_echo_answers_from_the_address_that_was_asked(lab: Lab, address: str) -> None:
    node, ip = lab.node(2), address.split("/", maxsplit=1)[0]
    node.add(address)
    with node.echo(7000):
        assert lab.client.answers(ip, 7000) == ["node2"]
    assert lab.client.answers(ip, 7000) == []
    assert lab.client.neighbour(ip) == node.mac


def test_an_unplugged_node_answers_nobody_until_it_is_plugged_in(lab: Lab) -> None:
    node = lab.node(1)
    node.unplug()
    assert lab.client.who_has(node.address) == frozenset()
    assert "NO-CARRIER" in node.namespace.ip("link", "show", "eth0")
    node.plug()
    wait_for(lambda: lab.client.who_has(node.address), SECONDS, "the node to answer")


def test_a_link_that_was_down_has_its_own_addresses_again(lab: Lab) -> None:
    node = lab.node(1)
    before = node.addresses()
    node.link_down()
    assert lab.client.who_has(node.address) == frozenset()
    node.link_up()
    wait_for(lambda: lab.client.who_has(node.address), SECONDS, "the node to answer")
    assert node.addresses() == before


def test_nodes_cut_from_each_other_are_both_reached_by_the_client(lab: Lab) -> None:
    one, two = lab.nodes
    assert one.asks.who_has(two.address) == {two.mac}
    lab.cut_between_nodes()
    assert one.asks.who_has(two.address) == frozenset()
    assert lab.client.who_has(one.address) == {one.mac}
    assert lab.client.who_has(two.address) == {two.mac}


def test_a_watching_client_notes_when_nobody_or_two_answered(lab: Lab) -> None:
    one, two = lab.nodes
    with lab.client.watching(FREE4) as watch:
        wait_for(lambda: watch.lost, SECONDS, "nobody to answer")
        one.add(f"{FREE4}/32")
        two.add(f"{FREE4}/32")
        wait_for(lambda: watch.doubled, SECONDS, "two to answer")
    assert watch.doubled[0][1] == {one.mac, two.mac}


def test_a_station_of_another_lab_is_not_reached(lab: Lab) -> None:
    with start(1) as other:
        assert other.client.who_has(lab.node(2).address) == frozenset()
        path = Path(other.node(1).namespace.path)
        assert path.exists()
    assert not path.exists()


def test_a_lab_ends_also_where_its_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), start(1) as lab:  # noqa: PT012 - the failure inside
        path = Path(lab.switch.path)
        raise ZeroDivisionError
    assert not path.exists()
