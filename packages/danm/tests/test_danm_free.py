"""Which bits may be cleared: only those that are proved to be still the dead pod's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moorage_danm.caches import Caches
from moorage_danm.kinds import NetworkKind
from moorage_danm.model.addresses import address_of
from moorage_danm.model.endpoint import Endpoint, endpoint_of
from moorage_danm.model.network import Network, NetworkRef
from moorage_danm.names import FINALIZER, RECLAIMED
from moorage_danm.reclaim.free import (
    UNSURE_SECONDS,
    BitSeen,
    ClearBits,
    NetworkObserved,
    Pending,
    Settle,
    decide_network,
)
from moorage_danm.reclaim.pending import PendingAddresses
from moorage_domain.families import Address
from moorage_testing.danm.ipam import bits_text

GROUP, NS = "danm.k8s.io", "apps"
REF = NetworkRef(NetworkKind.DANM_NET, NS, "net")
SURE = BitSeen(continuous=True, cleared=False, seconds=1.0)
Raw = dict[str, Any]


def five() -> Address:
    found = address_of("10.0.0.5")
    assert found is not None
    return found


def raw_network(number: int, *bits: int, **meta: Any) -> Raw:
    wanted = {"name": "net", "namespace": NS, "uid": "net-1", "generation": number}
    options = {"cidr": "10.0.0.0/24", "alloc": bits_text(256, {0, 255, *bits})}
    version = str(100 + number)
    return {
        "metadata": wanted | {"resourceVersion": version} | meta,
        "spec": {"Options": options},
    }


def raw_endpoint(name: str = "e1", address: str = "10.0.0.5/24", *, taken: bool = False) -> Raw:
    meta: Raw = {"name": name, "namespace": NS, "uid": f"uid-{name}", "resourceVersion": "7"}
    if taken:
        text = '{"ip": "10.0.0.5/24", "ip6": "", "why": ""}'
        meta |= {"finalizers": [FINALIZER], "annotations": {RECLAIMED: text}}
    interface = {"Address": "" if taken else address, "AddressIPv6": ""}
    spec = {"NetworkName": "net", "Interface": interface, "Host": "a", "Pod": "old"}
    return {"metadata": meta, "spec": spec}


def taken_endpoint(name: str = "e1") -> Endpoint:
    return endpoint_of(GROUP, raw_endpoint(name, taken=True))


def network(*bits: int, **meta: Any) -> Network:
    caches = Caches()
    store = caches.groups[GROUP].networks[NetworkKind.DANM_NET]
    store.apply(raw_network(1, *bits, **meta))
    found = store.get("apps/net")
    assert found is not None
    return found


def observed(seen: BitSeen = SURE, bits: tuple[int, ...] = (5,), **more: Any) -> NetworkObserved:
    fields: Raw = {"taken_seconds": 10.0, "not_before": 0.0, "claimed": frozenset()}
    fields |= {key: more.pop(key) for key in list(more) if key in fields}
    pending = Pending(endpoint=taken_endpoint(), seen={five(): seen}, **fields)
    return NetworkObserved(ref=REF, network=network(*bits), pending=(pending,), **more)


CLEAR = (ClearBits(frozenset({five()}), frozenset({"uid-e1"})),)
NOTHING_LEFT = (Settle(frozenset({"uid-e1"})),)


def test_a_bit_that_was_set_all_the_time_is_cleared() -> None:
    assert decide_network(observed()).actions == CLEAR


def test_a_bit_that_is_clear_needs_nothing() -> None:
    assert decide_network(observed(bits=())).actions == NOTHING_LEFT


def test_a_bit_that_was_clear_in_between_is_somebody_elses() -> None:
    seen = replace(SURE, cleared=True)
    assert decide_network(observed(seen)).actions == NOTHING_LEFT


def test_an_address_that_an_endpoint_has_is_somebody_elses() -> None:
    assert decide_network(observed(claimed=frozenset({five()}))).actions == NOTHING_LEFT


def test_what_the_network_says_is_free_is_never_freed_again() -> None:
    """Somebody reserved it since then, and its endpoint is not there yet."""
    marked = network(5, annotations={"moorage.dev/danm-freed": "uid-e0 uid-e1"})
    for seen in (SURE, BitSeen(continuous=False, cleared=False, seconds=1e6)):
        assert decide_network(replace(observed(seen), network=marked)).actions == NOTHING_LEFT


@pytest.mark.parametrize(("seconds", "clears"), [(UNSURE_SECONDS - 1, False), (60.0, True)])
def test_where_nobody_knows_a_bit_must_be_nobodys_for_long_enough(
    seconds: float, *, clears: bool
) -> None:
    plan = decide_network(observed(BitSeen(continuous=False, cleared=False, seconds=seconds)))
    assert plan.actions == (CLEAR if clears else ())
    assert (plan.wait is None) is clears


def test_where_endpoints_may_be_out_of_date_nothing_is_taken_for_nobodys() -> None:
    unsure = BitSeen(continuous=False, cleared=False, seconds=1e6)
    assert decide_network(observed(unsure, stale=True)).actions == ()
    assert decide_network(observed(SURE, stale=True)).actions == CLEAR


def test_a_host_that_may_live_has_time_to_clear_it_itself() -> None:
    plan = decide_network(observed(not_before=0.7))
    assert plan.actions == ()
    assert plan.wait is not None
    assert 0.7 <= plan.wait.total_seconds() < 0.8


def test_more_that_are_coming_are_waited_for_but_not_for_ever() -> None:
    assert decide_network(observed(taken_seconds=0.1)).actions == ()
    assert decide_network(observed(taken_seconds=0.3)).actions == CLEAR
    assert decide_network(observed(taken_seconds=0.3, coming=True)).actions == ()
    assert decide_network(observed(taken_seconds=3.0, coming=True)).actions == CLEAR


# What was seen of a bit.


class Seen:
    """Caches with one network and one endpoint, whose address is being taken."""

    def __init__(self) -> None:
        self.caches = Caches()
        self.pending = PendingAddresses(self.caches)
        self.group = self.caches.groups[GROUP]
        self.networks = self.group.networks[NetworkKind.DANM_NET]
        self.networks.apply(raw_network(3, 5))
        self.group.endpoints.apply(raw_endpoint())

    def take(self) -> None:
        endpoint = self.group.endpoints.get("apps/e1")
        assert endpoint is not None
        self.pending.prepare(endpoint, 0.0)
        raw = raw_endpoint(taken=True)
        raw["metadata"]["resourceVersion"] = "8"
        self.group.endpoints.apply(raw)

    def bit(self) -> BitSeen:
        (one,) = self.pending.observed((GROUP, REF)).pending
        return one.seen[five()]


def test_versions_one_after_the_other_prove_that_a_bit_was_set_all_the_time() -> None:
    seen = Seen()
    seen.take()
    for generation in (4, 5, 5, 6):
        seen.networks.apply(raw_network(generation, 5, generation))
    assert seen.bit().continuous
    assert not seen.bit().cleared


def test_a_version_that_nobody_saw_may_have_had_it_clear() -> None:
    seen = Seen()
    seen.take()
    seen.networks.apply(raw_network(5, 5, 9))
    assert not seen.bit().continuous
    assert seen.bit().seconds < 1.0


@pytest.mark.parametrize("change", [{"uid": "net-2"}, {"generation": 0}])
def test_another_network_of_the_name_or_one_that_does_not_count_is_a_gap(change: Raw) -> None:
    seen = Seen()
    seen.take()
    seen.networks.apply(raw_network(4, 5, **change))
    assert not seen.bit().continuous


def test_a_network_that_went_in_between_is_a_gap() -> None:
    seen = Seen()
    seen.take()
    seen.networks.forget("apps/net")
    seen.networks.apply(raw_network(4, 5))
    assert not seen.bit().continuous


def test_a_bit_that_was_clear_once_stays_somebody_elses() -> None:
    seen = Seen()
    seen.take()
    seen.networks.apply(raw_network(4))
    seen.networks.apply(raw_network(5, 5))
    assert seen.bit().cleared


def test_what_somebody_before_us_took_is_unsure() -> None:
    seen = Seen()
    seen.group.endpoints.apply(raw_endpoint(taken=True))
    assert not seen.bit().continuous


def test_what_could_not_be_taken_is_forgotten() -> None:
    seen = Seen()
    endpoint = seen.group.endpoints.get("apps/e1")
    assert endpoint is not None
    seen.pending.prepare(endpoint, 0.0)
    seen.pending.not_taken(endpoint)
    seen.group.endpoints.apply(raw_endpoint(taken=True))
    # Whoever took it then, it was not this try.
    assert not seen.bit().continuous


def test_an_address_that_somebody_put_back_is_in_use_again() -> None:
    raw = raw_endpoint(taken=True)
    raw["spec"]["Interface"]["Address"] = "10.0.0.5/24"
    held = endpoint_of(GROUP, raw)
    assert held.taken is not None
    del raw["metadata"]["finalizers"]
    assert endpoint_of(GROUP, raw).taken is None


def test_sec_08_a_note_nested_without_end_is_read_as_one_that_says_nothing() -> None:
    raw = raw_endpoint(taken=True)
    raw["metadata"]["annotations"][RECLAIMED] = "[" * 100_000
    taken = endpoint_of(GROUP, raw).taken
    assert taken is not None
    assert (taken.ip, taken.ip6) == ("", "")
