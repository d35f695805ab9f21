"""``status.loadBalancer.ingress``: ours are put in and taken out, others' stay; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from moorage_domain.families import Address
from moorage_external_ip.projections import parsed

_VIP = {"ipMode": "VIP"}


def ingress_with(
    entries: Iterable[Mapping[str, Any]], wanted: Collection[Address], dropped: Collection[Address]
) -> list[Mapping[str, Any]]:
    """The entries with all ``wanted`` and none of ``dropped``; order and fields of others stay."""
    missing = list(dict.fromkeys(wanted))
    found: list[Mapping[str, Any]] = []
    for entry in entries:
        address = _address(entry)
        if address is not None and address in dropped:
            continue
        if address in missing:
            missing.remove(address)
            entry = {**entry, **_VIP}  # noqa: PLW2901 - with our mode, and all else as it is
        found.append(entry)
    return [*found, *({"ip": str(one), **_VIP} for one in missing)]


def without(
    entries: Iterable[Mapping[str, Any]], addresses: Collection[Address]
) -> list[Mapping[str, Any]]:
    """The entries without these addresses."""
    return [one for one in entries if _address(one) not in addresses]


def _address(entry: Mapping[str, Any]) -> Address | None:
    return parsed(str(entry.get("ip") or ""))
