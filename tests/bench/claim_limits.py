"""What bounds a burst of claims: the API server's limit, CPU of each process, the search (MI)."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import psutil

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_domain.allocator import Allocator, Strategy
from moorage_domain.families import Address, Family
from moorage_domain.ranges import parse_range
from moorage_domain.subnets import usable
from moorage_ipam.records import Owner, body_of
from moorage_kube.client.client import Client, Target
from moorage_testing.processes import Child

from .claim_cluster import ADDRESSES, CLAIMS, NAMESPACE
from .framework import in_parallel
from .peers import GoIpam, claim_in_cluster
from .rows import How, Row, Seed

CHOICE_TARGET_US = 50.0
"""A claim's writes take the API server ten milliseconds and more."""
WRITES = 5
"""Of a claim and for it: claim, finalizer, IPAllocation, IPAddress, status."""
_MOST_BARE = 1000
_CHOICES = 1000
_FINALIZER = "example.com/bare"
_ELSEWHERE = {"apiGroup": "other.example.com", "kind": "IPPool", "name": "bare"}
_ADDRESS = Address(Family.IPV4, 10 << 24)


async def bare_rate(client: Client, claims: int) -> float:
    """Writes per second of a loop that knows what to send, as many under way at once."""
    names = [f"bare-{number:05}" for number in range(min(claims, _MOST_BARE))]
    begun = time.perf_counter()
    await in_parallel(lambda number: _write(client, names[number], number), range(len(names)))
    rate = len(names) * WRITES / (time.perf_counter() - begun)
    await in_parallel(lambda number: _remove(client, names[number], number), range(len(names)))
    return rate


async def _write(client: Client, name: str, number: int) -> None:
    meta = {"name": name, "namespace": NAMESPACE}
    spec = {"poolRef": _ELSEWHERE}
    body = {"apiVersion": CLAIMS.api_version, "kind": CLAIMS.name}
    claim = await client.create(CLAIMS, body | {"metadata": meta, "spec": spec})
    uid = claim["metadata"]["uid"]
    finalizers = {"metadata": {"uid": uid, "finalizers": [_FINALIZER]}}
    await client.patch(CLAIMS, Target(name, NAMESPACE), finalizers)
    await client.create(IPALLOCATIONS, _record(name, uid, number))
    owner = {"apiVersion": CLAIMS.api_version, "kind": CLAIMS.name, "name": name, "uid": uid}
    body = {"apiVersion": ADDRESSES.api_version, "kind": ADDRESSES.name}
    address = str(Address(Family.IPV4, _ADDRESS.number + number))
    given = {"address": address, "prefix": 16, "claimRef": {"name": name}} | spec
    references = {"ownerReferences": [owner | {"controller": True}]}
    await client.create(ADDRESSES, body | {"metadata": meta | references, "spec": given})
    status = {"status": {"addressRef": {"name": name}, "conditions": [_ready(address)]}}
    await client.patch(CLAIMS, Target(name, NAMESPACE, "status"), status)


async def _remove(client: Client, name: str, number: int) -> None:
    """So that nothing of it is counted afterwards."""
    free = {"metadata": {"finalizers": None}}
    await client.patch(CLAIMS, Target(name, NAMESPACE), free)
    await client.delete(ADDRESSES, name, NAMESPACE)
    await client.delete(CLAIMS, name, NAMESPACE)
    await client.delete(IPALLOCATIONS, _record(name, "", number)["metadata"]["name"])


def _record(name: str, uid: str, number: int) -> dict[str, Any]:
    owner = Owner(CLAIMS.api_version, CLAIMS.name, NAMESPACE, name, uid)
    address = Address(Family.IPV4, _ADDRESS.number + number)
    return body_of("bare", address, owner, None, "2026-01-01T00:00:00Z")


def _ready(address: str) -> dict[str, str]:
    return {
        "type": "Ready", "status": "True", "reason": "Allocated", "message": f"{address} of bare",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip


class Spent:
    """CPU seconds of the processes that take part, from its making on."""

    def __init__(self, controller: Child) -> None:
        found = {process.name(): process for process in psutil.Process().children(recursive=True)}
        # The kernel cuts names after 15 letters; psutil reads on where it can.
        plane = ("etcd", "kube-apiserver", "kube-controller-manager")
        self._processes = {name: found[name] for name in plane}
        self._processes["the controller"] = psutil.Process(controller.pid)
        self._processes["the bench"] = psutil.Process()
        self._before = self._seconds()

    def so_far(self) -> Mapping[str, float]:
        """By process."""
        return {name: now - self._before[name] for name, now in self._seconds().items()}

    def _seconds(self) -> dict[str, float]:
        return {
            name: process.cpu_times().user + process.cpu_times().system
            for name, process in self._processes.items()
        }


def choice_row(live: int) -> Row:
    """The search for an address, ours and the peers', in a pool with this many live ones."""
    pool = usable([parse_range("10.0.0.0/16")], prefix=16)
    texts = [pool.family.format(pool.nth(position)) for position in range(live)]
    some = Allocator(pool, random.Random(1))
    for position in range(live):
        some.take(pool.nth(position))

    def ours() -> None:
        for _ in range(_CHOICES):
            found = some.allocate(Strategy.LOWEST)
            if found != pool.nth(live):
                raise AssertionError("the lowest free address is the one behind all live ones")
            some.release(found)

    peer = GoIpam(pool.family, pool.nth(0), texts)
    whole = (pool.nth(0), pool.nth(pool.size - 1))
    scan = _microseconds(lambda: peer.release(peer.acquire()))
    rebuild = _microseconds(lambda: claim_in_cluster(pool.family, whole, texts))
    return Row(
        "MIk", f"choose an address, {live:,} live", CHOICE_TARGET_US,
        _microseconds(ours) / _CHOICES, "us", Seed(scan, How.EXECUTED),
        "allocated and released. The seed's way is go-ipam's: it copies its map and scans it."
        f" In-cluster builds a set of all in use for each claim: {rebuild:,.0f} us. All in Python.",
    )  # fmt: skip


def _microseconds(run: Any) -> float:
    begun = time.process_time()
    run()
    return (time.process_time() - begun) * 1e6
