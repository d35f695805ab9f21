"""What must hold of addresses of Services at any time, and at rest."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lab_services import CONDITION

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_external_ip.kinds import SERVICES
from moorage_testing.apiserver import ApiServer

Raw = dict[str, Any]


def no_address_has_two_records(server: ApiServer) -> None:
    addresses = [raw["spec"]["address"] for raw in server.all_of(IPALLOCATIONS)]
    assert len(addresses) == len(set(addresses)), sorted(addresses)


def no_address_is_promised_twice(server: ApiServer) -> None:
    """Services whose status says one address share it, or did so until a person lost the claim."""
    users = defaultdict(list)
    for raw in server.all_of(SERVICES):
        for ip in ips_of(raw):
            users[ip].append(raw)
    for ip, raws in users.items():
        uses = [
            one
            for claim in server.all_of(IPCLAIMS)
            for one in claim["spec"].get("services", ())
            if _ip(claim) == ip
        ]
        uids, keys = {one["uid"] for one in uses}, {one["sharingKey"] for one in uses} - {""}
        strangers = [
            raw["metadata"]["name"]
            for raw in raws
            if raw["metadata"]["uid"] not in uids and _sharing_key(raw) not in keys
        ]
        assert len(raws) == 1 or not uses or not strangers, f"{ip} is promised to {strangers}, too"


def no_two_claims_have_one(server: ApiServer) -> None:
    """Only what says that its address is its own may be on a node."""
    granted = [_ip(raw) for raw in server.all_of(IPCLAIMS) if is_allocated(raw)]
    assert len(granted) == len(set(granted)), sorted(granted)


def claims_say_who_uses_them(server: ApiServer) -> None:
    uses = defaultdict(set)
    for claim in server.all_of(IPCLAIMS):
        for one in claim["spec"].get("services", ()):
            uses[one["uid"]].add(_ip(claim))
    for raw in server.all_of(SERVICES):
        own = uses.pop(raw["metadata"]["uid"], set())
        if raw["spec"]["type"] == "LoadBalancer":
            assert set(ips_of(raw)) == own, raw["metadata"]["name"]
        else:
            assert not ips_of(raw), raw["metadata"]["name"]
            assert set(raw["spec"].get("externalIPs") or ()) == own, raw["metadata"]["name"]
    assert not uses, f"of Services that are gone: {dict(uses)}"


def nothing_is_leaked(server: ApiServer) -> None:
    # A second claim of one address, made by hand under another name, gets nothing.
    granted = (raw for raw in server.all_of(IPCLAIMS) if is_allocated(raw))
    claims = {raw["metadata"]["uid"]: raw for raw in granted}
    made = (raw for raw in claims.values() if raw["metadata"].get("annotations"))
    assert all(raw["spec"]["services"] for raw in made)
    records = server.all_of(IPALLOCATIONS)
    assert sorted(raw["spec"]["owner"]["uid"] for raw in records) == sorted(claims)
    for raw in records:
        assert raw["status"]["phase"] == "Bound"
        assert raw["spec"]["address"] == _ip(claims[raw["spec"]["owner"]["uid"]])


def ips_of(raw: Raw) -> list[str]:
    status = raw.get("status") or {}
    return [one["ip"] for one in (status.get("loadBalancer") or {}).get("ingress") or ()]


def _ip(claim: Raw) -> str:
    return str(claim["spec"]["cidr"]).partition("/")[0]


def _sharing_key(raw: Raw) -> str:
    notes = raw["metadata"].get("annotations") or {}
    return str(notes.get("moorage.dev/sharing-key") or "")


def is_allocated(claim: Raw) -> bool:
    """Whether it says that its address is its own."""
    conditions = (claim.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Allocated" and one["status"] == "True" for one in conditions)


def reason_of(raw: Raw) -> str:
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return next((str(one["reason"]) for one in conditions if one["type"] == CONDITION), "")
