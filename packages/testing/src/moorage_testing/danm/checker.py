"""What must always hold: no address is two pods', and none that a pod has is free for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from moorage_testing.danm.hosts import Hosts
from moorage_testing.danm.ipam import bit, used

Raw = dict[str, Any]
FindNetwork: TypeAlias = Callable[[str, str, str], Raw | None]
"""From kind, namespace and name."""

_FAMILIES = (("Address", "alloc"), ("AddressIPv6", "alloc6"))


def broken(
    hosts: Hosts,
    endpoints: Iterable[Raw],
    find: FindNetwork,
    fenced: Callable[[str], bool] = lambda _: False,
) -> list[str]:
    """What is wrong, in words.

    No two containers that really run have one address of a network; no two endpoints whose pods
    really run name one; and what a container that runs has is in use by the bits. Containers on
    hosts that are ``fenced`` do not count: whoever fences a host answers for that.
    """
    found: list[str] = []
    owners: dict[tuple[str, str, str, str], str] = {}
    running = {
        one["metadata"]["uid"]: (host.name, container.pod["metadata"]["name"], one)
        for host, container in hosts.containers()
        if host.power and not fenced(host.name)
        for one in container.endpoints
    }
    for host, pod, endpoint in running.values():
        who = f"{pod} on {host}"
        found += _of_container(who, endpoint, find, owners)
    held: dict[tuple[str, str, str, str], str] = {}
    for endpoint in endpoints:
        if endpoint["metadata"]["uid"] not in running:
            continue
        for field, _ in _FAMILIES:
            key = _address(endpoint, field)
            if key is not None and key in held:
                found.append(f"{key[3]} is in {endpoint['metadata']['name']} and {held[key]}")
            elif key is not None:
                held[key] = endpoint["metadata"]["name"]
    return found


def leaked(endpoints: Iterable[Raw], networks: Iterable[Raw]) -> list[str]:
    """Addresses that are in use by the bits, and that no endpoint has."""
    claimed: set[tuple[str, str, str, str, int]] = set()
    by_key = {_key(one): one for one in networks}
    for endpoint in endpoints:
        key = _network_of(endpoint)
        options = _options(by_key.get(key))
        for field, alloc in _FAMILIES:
            text = (endpoint["spec"].get("Interface") or {}).get(field) or ""
            index = bit(options, alloc, text)
            if index is not None:
                claimed.add((*key, alloc, index))
    found = []
    for key, network in by_key.items():
        options = _options(network)
        for _, alloc in _FAMILIES:
            taken = used(options, alloc)
            ends = {0, len(taken) and max(taken)}
            found += [
                f"bit {index} of {key[2]}"
                for index in sorted(taken - ends)
                if (*key, alloc, index) not in claimed
            ]
    return found


def _of_container(
    who: str,
    endpoint: Raw,
    find: FindNetwork,
    owners: dict[tuple[str, str, str, str], str],
) -> list[str]:
    found = []
    network = find(*_network_of(endpoint))
    for field, alloc in _FAMILIES:
        key = _address(endpoint, field)
        if key is None:
            continue
        if key in owners:
            found.append(f"{key[3]} is that of {who} and of {owners[key]}")
        owners[key] = who
        options = _options(network)
        index = bit(options, alloc, key[3])
        if index is not None and index not in used(options, alloc):
            found.append(f"{key[3]} of {who} is free by its bit")
    return found


def _address(endpoint: Raw, field: str) -> tuple[str, str, str, str] | None:
    text = (endpoint["spec"].get("Interface") or {}).get(field) or ""
    return None if text in ("", "none") else (*_network_of(endpoint), text.partition("/")[0])


def _network_of(endpoint: Raw) -> tuple[str, str, str]:
    spec = endpoint["spec"]
    kind = spec.get("apiType") or "DanmNet"
    namespace = "" if kind == "ClusterNetwork" else endpoint["metadata"]["namespace"]
    return kind, namespace, spec.get("NetworkName") or spec.get("NetworkID")


def _key(network: Raw) -> tuple[str, str, str]:
    meta = network["metadata"]
    return network["kind"], meta.get("namespace", ""), meta["name"]


def _options(network: Raw | None) -> Raw:
    return ((network or {}).get("spec") or {}).get("Options") or {}
