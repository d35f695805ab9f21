"""A tenant writes and deletes again: the memory that it costs for good, and the Lease (T11)."""

from __future__ import annotations

import contextlib
import itertools
import time
from typing import Any

from moorage_testing.waiting import wait_for

from .fleet import ALLOCATION, Fleet, node_name
from .options import MOST_ADDRESSES, Options
from .report import step
from .rows import NO_SEED, Row

MEMORY_TARGET_MIB = 20.0
# From then on a leader gives up: --lease-renew-deadline.
RENEWAL_TARGET_SECONDS = 10.0
COLLECTION = ALLOCATION.rpartition("/")[0]
TENANT = {"tenant": "yes"}
OF_THE_TENANT = f"{COLLECTION}?labelSelector=tenant%3Dyes"
WAIT_SECONDS = 1200.0
# Clients of regions that nobody uses are closed within it.
IDLE_SECONDS = 60.0
NODES = 20
BETWEEN_CORDONS = 50
"""With so many allocations a node is cordoned, or uncordoned."""
# Of what the schema allows: labels of a selector, with keys and values as long as can be.
LABELS, PREFERENCES, LABELS_OF_EACH = 64, 32, 4
PREFIX = ".".join(("d" * 61,) * 4)


def tenant_rows(fleet: Fleet, options: Options) -> list[Row]:
    """T11a, T11b; all that is made is deleted again."""
    cloud = fleet.cloud.cloud.name
    updates, regions = max(1, options.objects // 2), max(1, options.objects // 10)
    before, _ = fleet.memory_mib()
    with step(f"{updates:,} updates of a spec as large as it may be"):
        _update(fleet, updates)
    with step(f"{regions:,} allocations in regions that there are not"):
        _invent_regions(fleet, regions)
        _wait_reported(fleet)
    _, peak = fleet.memory_mib()
    _delete(fleet)
    left = _memory_left(fleet, before)
    gap = _gap_beside_cordons(fleet, options.objects)
    _delete(fleet)
    return [
        Row(
            "T11a", "memory that a tenant costs for good", MEMORY_TARGET_MIB, left, "MiB", NO_SEED,
            f"{updates:,} updates of a spec as large as it may be, {regions:,} allocations with"
            f" invented regions, all deleted; {before:.0f} MiB before, {peak:.0f} MiB at most",
            cloud,
        ),
        Row(
            "T11b", "longest time between two renewals of the Lease", RENEWAL_TARGET_SECONDS, gap,
            "s", NO_SEED,
            f"while {options.objects:,} allocations come and go; nodes are cordoned and"
            f" uncordoned, one for each {BETWEEN_CORDONS}",
            cloud,
        ),
    ]  # fmt: skip


def _update(fleet: Fleet, times: int) -> None:
    """Write other labels each time, so that none that is kept is of use again."""
    spec = {"reservedIPs": [*map(_ip, range(MOST_ADDRESSES))], "cloud": _cloud(fleet)}
    fleet.cluster.request("POST", COLLECTION, _allocation("large", spec | _selectors(0)))
    for turn in range(1, times + 1):
        change = _selectors(turn)
        # A merge patch keeps the labels that it does not name.
        change["nodeSelector"] |= dict.fromkeys(_selectors(turn - 1)["nodeSelector"])
        fleet.cluster.request("PATCH", f"{COLLECTION}/large", {"spec": change})


def _selectors(turn: int) -> dict[str, Any]:
    """As many labels as a spec may have, none of which was there before."""

    def labels(count: int, word: str) -> dict[str, str]:
        return {_key(word, turn, number): f"{turn:063}" for number in range(count)}

    preferred = [
        {"weight": 1, "matchLabels": labels(LABELS_OF_EACH, f"p{place}")}
        for place in range(PREFERENCES)
    ]
    return {
        "nodeSelector": labels(LABELS, "selector"),
        "placement": {"preferredLabels": preferred},
    }


def _key(word: str, turn: int, number: int) -> str:
    """As long as a key of a label can be."""
    return f"{PREFIX}/{f'{word}-{turn}-{number}-':x<63}"


def _invent_regions(fleet: Fleet, count: int) -> None:
    """Create allocations, each in a region of its own."""
    for number in range(count):
        _allocate(fleet, number, f"nowhere-{number}")


def _allocate_beside_cordons(fleet: Fleet, count: int) -> None:
    """Create allocations while nodes are cordoned; in the end none is."""
    cordons = itertools.cycle(_cordons(fleet))
    for number in range(count):
        _allocate(fleet, number, fleet.cloud.region)
        if number % BETWEEN_CORDONS == 0:
            _cordon(fleet, *next(cordons))
    for node, cordoned in _cordons(fleet):
        if not cordoned:
            _cordon(fleet, node, cordoned)


def _allocate(fleet: Fleet, number: int, region: str) -> None:
    cloud = _cloud(fleet) | {"region": region}
    spec = {"reservedIPs": [_ip(MOST_ADDRESSES + number)], "cloud": cloud}
    fleet.cluster.request("POST", COLLECTION, _allocation(f"tenant-{number}", spec))


def _cloud(fleet: Fleet) -> dict[str, str]:
    return {"provider": fleet.cloud.cloud.name, "region": fleet.cloud.region}


def _cordons(fleet: Fleet) -> list[tuple[int, bool]]:
    """Nodes by number, with whether they are cordoned: each once, and then not any more."""
    nodes = range(min(NODES, len(fleet.cloud.instances)))
    return [(node, cordoned) for cordoned in (True, False) for node in nodes]


def _cordon(fleet: Fleet, node: int, cordoned: bool) -> None:  # noqa: FBT001 - of a pair
    path = f"/api/v1/nodes/{node_name(node)}"
    fleet.cluster.request("PATCH", path, {"spec": {"unschedulable": cordoned}})


def _allocation(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "netinfra.darkbrains.com/v1alpha1",
        "kind": "NetIPAllocation",
        "metadata": {"name": name, "labels": TENANT},
        "spec": {"nodeSelector": {"pool": "edge"}, **spec},
    }


def _ip(number: int) -> str:
    """Of nobody's in the emulated cloud."""
    return f"9.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def _of_the_tenant(fleet: Fleet) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = fleet.cluster.request("GET", OF_THE_TENANT)["items"]
    return items


def _wait_reported(fleet: Fleet) -> None:
    """Until every status says something."""
    wait_for(
        lambda: all(one.get("status", {}).get("addresses") for one in _of_the_tenant(fleet)),
        WAIT_SECONDS, "all to be looked at", interval_seconds=2.0,
    )  # fmt: skip


def _delete(fleet: Fleet) -> None:
    def gone() -> bool:
        left = _of_the_tenant(fleet)
        if any("deletionTimestamp" not in one["metadata"] for one in left):
            # Thousands take longer than one answer may, and the rest of them stays then.
            with contextlib.suppress(OSError):
                fleet.cluster.request("DELETE", OF_THE_TENANT)
        return not left

    with step("deleting them"):
        wait_for(gone, WAIT_SECONDS, "all to go", interval_seconds=2.0)


def _memory_left(fleet: Fleet, before: float) -> float:
    """How much more it is than before, once clients of regions without use are closed."""
    with step(f"{IDLE_SECONDS:g} s without any of them"):
        time.sleep(IDLE_SECONDS)
    return max(0.0, fleet.memory_mib()[0] - before)


def _gap_beside_cordons(fleet: Fleet, allocations: int) -> float:
    """The longest time between two renewals: from the last before the load to the first after."""
    mark = fleet.audit.mark()
    _wait_renewed(fleet, mark)
    with step(f"{allocations:,} allocations, while nodes are cordoned"):
        _allocate_beside_cordons(fleet, allocations)
        _wait_reported(fleet)
    _wait_renewed(fleet, fleet.audit.mark())
    renewals = fleet.audit.renewals(mark)
    return max(after - before for before, after in itertools.pairwise(renewals))


def _wait_renewed(fleet: Fleet, mark: int) -> None:
    wait_for(lambda: fleet.audit.renewals(mark), WAIT_SECONDS, "the Lease to be renewed")
