"""What the caches answer, from raw objects as the API server shows them."""

from __future__ import annotations

from typing import Any

from moorage_domain.families import parse_address
from moorage_external_ip.caches import Caches
from moorage_external_ip.metrics import Gauges
from moorage_external_ip.settings import ExternalIpSettings
from moorage_ipam.records import Owner, Reservation, body_of

NAME = "192-168-0-2-29"
Raw = dict[str, Any]


def caches() -> Caches:
    return Caches(ExternalIpSettings.model_validate({}))


def raw(body: Raw, uid: str, version: int = 1) -> Raw:
    meta = body["metadata"] | {"uid": uid, "resourceVersion": str(version)}
    return body | {"metadata": meta}


def test_a_record_is_reserved_for_a_service_only_until_its_claim_is_there() -> None:
    kept = caches()
    reservation = Reservation("", "u-web")
    owner = Owner("ipcontroller.ext/v1", "IpClaim", "", NAME, "", reservation=reservation)
    body = body_of("default", parse_address("192.168.0.2"), owner, None, "")
    kept.records.apply(raw(body, "u-record"))
    assert [str(one.address) for one in kept.reserved_for("u-web")] == ["192.168.0.2"]
    assert kept.reserved_for("u-other") == ()
    claim: Raw = {"metadata": {"name": NAME}, "spec": {"cidr": "192.168.0.2/29"}}
    kept.claims.apply(raw(claim, "u-claim"))
    assert kept.reserved_for("u-web") == ()


def test_what_claims_services_and_nodes_name_is_in_use_from_the_first_moment_on() -> None:
    kept = caches()
    claim: Raw = {"metadata": {"name": NAME}, "spec": {"cidr": "192.168.0.2/29"}}
    kept.claims.apply(raw(claim, "u-claim"))
    entries = [{"ip": "192.168.0.3"}]
    status: Raw = {"loadBalancer": {"ingress": entries}}
    service: Raw = {"metadata": {"name": "a", "namespace": "x"}, "spec": {}, "status": status}
    kept.services.apply(raw(service, "u-service"))
    addresses = [{"address": "192.168.0.4"}, {"address": "node.example.com"}]
    node: Raw = {"metadata": {"name": "n1"}, "status": {"addresses": addresses}}
    kept.nodes.apply(raw(node, "u-node"))
    pool: Raw = {"metadata": {"name": "pool"}, "spec": {"cidr": "192.168.0.0/29"}}
    kept.pools.apply(raw(pool, "u-pool"))
    given = kept.given.get("pool")
    assert given is not None
    assert (given.allocator.total, given.allocator.free) == (6, 3)
    kept.nodes.forget("n1")
    kept.services.forget("x/a")
    assert given.allocator.free == 5


def test_a_claim_without_a_pools_name_is_of_the_pool_that_had_given_it() -> None:
    kept = caches()
    for name, allocated in (("a", {}), ("b", {"192.168.0.2": NAME})):
        spec = {"cidr": "192.168.0.0/29", "allocated": allocated}
        kept.pools.apply(raw({"metadata": {"name": name}, "spec": spec}, f"u-{name}"))
    body: Raw = {"metadata": {"name": NAME}, "spec": {"cidr": "192.168.0.2/29"}}
    kept.claims.apply(raw(body, "u-claim"))
    claim = kept.claims.get(NAME)
    assert claim is not None
    assert kept.pool_of_claim(claim)[0] == "b"


def test_a_standby_shows_nothing_of_the_state() -> None:
    assert list(Gauges(caches(), lambda: 0, lambda: False).read()) == []
