"""Steady requests: who answered, how many were lost, and for how long nobody did."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import pytest

from moorage_testing.lab import (
    LabUnavailableError,
    Namespace,
    Requests,
    reaching,
    requesting,
    start,
)
from moorage_testing.waiting import wait_for

PORT, SECONDS = 7080, 20.0


@contextmanager
def answering(namespace: Namespace, name: str) -> Iterator[None]:
    """Answer each request in a namespace with this name."""
    listener = namespace.call(lambda: socket.create_server(("", PORT), backlog=64))

    def work() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one:
                one.recv(1024)
                one.sendall(f"HTTP/1.0 200 OK\r\n\r\n{name}\n".encode())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def test_every_request_counts_answered_or_not() -> None:
    try:
        with start(1) as lab:
            (node,) = lab.nodes
            with requesting(lab.client.namespace, node.address, PORT) as requests:
                with answering(node.namespace, "one"):
                    wait_for(lambda: requests.are_answered(3), SECONDS, "answers")
                wait_for(lambda: requests.lost >= 3, SECONDS, "losses")
                assert not requests.are_answered(1)
                with answering(node.namespace, "two"):
                    wait_for(lambda: requests.are_answered(3), SECONDS, "answers again")
            # The namespace is free for others while a request waits.
            assert lab.client.who_has(node.address) == {node.mac}
    except LabUnavailableError as error:
        pytest.skip(str(error))
    assert requests.answers == {"one", "two"}
    assert requests.lost < len(requests.samples)


@pytest.mark.parametrize("address", ["10.99.8.1", "fd99::8:1"])
def test_datagrams_follow_an_address_to_another_node(address: str) -> None:
    own = f"{address}/{128 if ':' in address else 32}"
    try:
        with start(2) as lab, lab.node(1).echo(PORT), lab.node(2).echo(PORT):
            one, two = lab.nodes
            one.add(own)
            with reaching(lab.client.namespace, address, PORT) as requests:
                wait_for(lambda: requests.latest == "node1", SECONDS, "an answer")
                one.remove(own)
                wait_for(lambda: requests.lost, SECONDS, "a loss")
                two.add(own)
                lab.station.namespace.ip("neighbour", "flush", "all")
                wait_for(lambda: requests.latest == "node2", SECONDS, "the other's answer")
    except LabUnavailableError as error:
        pytest.skip(str(error))
    assert requests.answers == {"node1", "node2"}


def test_the_gap_is_between_two_answered_requests_in_the_order_they_were_asked() -> None:
    requests = Requests([(1.0, "a"), (2.5, ""), (4.0, "b"), (2.0, "a"), (4.25, "a")])
    assert requests.gap == 2.0
    assert requests.lost == 1
    assert requests.answers == {"a", "b"}
    assert requests.are_answered(2)
    assert not requests.are_answered(3)
    assert requests.latest == "a"
    assert requests.since(2.5).samples == [(4.0, "b"), (4.25, "a")]
    assert Requests([(1.0, "a")]).gap == inf
    assert not Requests().are_answered(1)
    assert Requests().latest == ""
