"""The configuration file of the README's controller, in the spellings of both its generations."""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Address
from typing import NoReturn

from moorage_machine_ipam.machine.hook_yaml import InvalidYaml, Tree, texts
from moorage_machine_ipam.machine.hooks import (
    NAME_LENGTH,
    NAME_PATTERN,
    OWNER_LENGTH,
    LifecycleHook,
    StartList,
)
from moorage_machine_ipam.render.values import IPAddress, IPNetwork

ROOT = "ipam-config"
_SHOWN = 80
# A /31 has two hosts and a /32 one, RFC 3021: no network and no broadcast address.
_LAST_WITH_EDGES = 30
_EXAMPLE = "192.168.101.64/28"
_EXAMPLES = {None: _EXAMPLE, 4: _EXAMPLE, 6: "2001:db8:1::/64"}


class HookConfigError(ValueError):
    """The file cannot be used; the message names the field, its value and the way out."""


@dataclass(frozen=True, slots=True)
class AddressRange:
    """A range that addresses are taken from.

    Attributes:
        cidr: the range, canonical.
        prefix: length of the prefix of the subnet, which the range is a part of.
        gateway: canonical; that of IPv4 is in the subnet. ``""``: there is none.
    """

    cidr: str
    prefix: int
    gateway: str = ""

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_network(self.cidr).version


@dataclass(frozen=True, slots=True)
class HookConfig:
    """What an ``ipam-config.yaml`` says.

    Attributes:
        ranges: one for each family, IPv4 first; at least one.
        nameservers: canonical, in the order of the file.
        hook: its list is the one that the file's generation used.
    """

    ranges: tuple[AddressRange, ...]
    nameservers: tuple[str, ...]
    hook: LifecycleHook


@dataclass(frozen=True, slots=True)
class _Keys:
    """How one range is spelled; ``version`` is ``None`` where either family may stand."""

    cidr: str
    prefix: str
    gateway: str
    version: int | None = None


_FIRST = (_Keys("ip-range-cidr", "prefix", "default-gateway"),)
_SECOND = (
    _Keys("ipv4-range-cidr", "ipv4-prefix", "ipv4-gateway", 4),
    _Keys("ipv6-range-cidr", "ipv6-prefix", "ipv6-gateway", 6),
)
_COMMON = ("nameserver", "lifecycle-hook")

Fields = Mapping[str, Tree]


def parse_hook_config(text: str) -> HookConfig:
    """The configuration in the text of a file; raises ``HookConfigError`` at the first mistake.

    The first generation has one range of either family, the second one range for each; a file
    follows one of them. An empty range switches its family off. A prefix that is not there is the
    range's own, a hook that is not there is ``ipamController`` of ``network-admin``.

    Source: pkg/data/config.go of rvanderp3/machine-ipam-controller, commits 551e504 and e57e99e.
    """
    try:
        tree = texts(text)
    except InvalidYaml as error:
        raise HookConfigError(str(error)) from error
    fields = _root(tree)
    spelling = _spelling(fields)
    ranges = tuple(found for keys in spelling if (found := _range(fields, keys)))
    if not ranges:
        _refuse(
            ROOT, None, "has no range to take addresses from", f"write ip-range-cidr: {_EXAMPLE}"
        )
    start_list = StartList.PRE_CREATE if spelling is _FIRST else StartList.PRE_PROVISION
    hook = replace(_hook(fields.get("lifecycle-hook")), start_list=start_list)
    return HookConfig(ranges, _nameservers(fields.get("nameserver")), hook)


def _root(tree: Tree) -> Fields:
    if tree is None:
        _refuse(ROOT, None, "is missing, the file is empty", f"begin with {ROOT}:")
    if not isinstance(tree, dict):
        _refuse(ROOT, tree, "is not a mapping", f"begin with {ROOT}:")
    if tree.get("kind") == "IPPool":
        # The README of the third generation calls the manifest of its pool ipam-config.yaml.
        _refuse("kind", "IPPool", "is a manifest, not this configuration", "apply it with kubectl")
    if "ip-range-cidr" in tree or "ipv4-range-cidr" in tree or "ipv6-range-cidr" in tree:
        _refuse(ROOT, None, "is missing above the fields", f"indent them below {ROOT}:")
    _known("", tree, (ROOT,))
    fields = tree.get(ROOT)
    if not isinstance(fields, dict):
        _refuse(ROOT, fields, "is not a mapping", f"indent the fields below {ROOT}:")
    return fields


def _spelling(fields: Fields) -> tuple[_Keys, ...]:
    """The generation of a file whose keys are all known."""
    names = [
        [name for keys in generation for name in (keys.cidr, keys.prefix, keys.gateway)]
        for generation in (_FIRST, _SECOND)
    ]
    _known(f"{ROOT}.", fields, (*names[0], *names[1], *_COMMON))
    first, second = ([name for name in each if name in fields] for each in names)
    if first and second:
        _refuse(
            f"{ROOT}.{second[0]}",
            None,
            f"stands beside {first[0]}, which is the older spelling",
            "write ipv4-range-cidr, ipv4-prefix and ipv4-gateway, and for IPv6 likewise",
        )
    return _SECOND if second else _FIRST


def _range(fields: Fields, keys: _Keys) -> AddressRange | None:
    """The range of one family; ``None``: the family is off."""
    if not _text(f"{ROOT}.{keys.cidr}", fields.get(keys.cidr)):
        for name in (keys.prefix, keys.gateway):
            if keys.cidr not in fields and fields.get(name) is not None:
                way_out = f"write {keys.cidr} too, or remove both"
                _refuse(f"{ROOT}.{name}", fields[name], f"has no {keys.cidr}", way_out)
        return None
    network = _network(fields, keys)
    prefix = _prefix(fields, keys, network)
    return AddressRange(
        str(network), prefix, _gateway(fields, keys, network.supernet(new_prefix=prefix))
    )


def _network(fields: Fields, keys: _Keys) -> IPNetwork:
    field, text = f"{ROOT}.{keys.cidr}", _text(f"{ROOT}.{keys.cidr}", fields[keys.cidr])
    example = f"write one like {_EXAMPLES[keys.version]}"
    if not re.fullmatch(r"[^/%]+/[0-9]{1,3}", text):
        _refuse(field, text, "is not a range in CIDR notation", example)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        _refuse(field, text, "is not a range in CIDR notation", example)
    if keys.version not in (None, network.version):
        other = f"ipv{network.version}-range-cidr"
        _refuse(field, text, f"is IPv{network.version}", f"write it as {other}")
    if ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        _refuse(field, text, "does not begin at the range's first address", f"write {network}")
    if network.is_multicast or network.is_loopback or _is_mapped(network.network_address):
        _refuse(field, text, "holds no addresses for machines", example)
    return network


def _prefix(fields: Fields, keys: _Keys, network: IPNetwork) -> int:
    field, value = f"{ROOT}.{keys.prefix}", fields.get(keys.prefix)
    if value is None:
        return network.prefixlen
    text = _text(field, value)
    way_out = f"write a number from 1 to {network.prefixlen}, the prefix of the whole subnet"
    if not re.fullmatch(r"[0-9]{1,3}", text):
        _refuse(field, text, "is not the length of a prefix", way_out)
    if int(text) > network.prefixlen:
        _refuse(field, text, f"is longer than that of the range {network}", way_out)
    if int(text) == 0:
        _refuse(field, text, "would be the whole internet", way_out)
    return int(text)


def _gateway(fields: Fields, keys: _Keys, subnet: IPNetwork) -> str:
    field = f"{ROOT}.{keys.gateway}"
    text = _text(field, fields.get(keys.gateway))
    if not text:
        return ""
    gateway = _address(field, text)
    if gateway.version != subnet.version:
        way_out = f"write one of {subnet}"
        if keys.version:
            way_out += f", or write it as ipv{gateway.version}-gateway"
        _refuse(field, text, f"is IPv{gateway.version}, the range is not", way_out)
    if gateway.is_multicast or gateway.is_unspecified or gateway.is_loopback:
        _refuse(field, text, "is no router's address", f"write one of {subnet}")
    if isinstance(gateway, IPv6Address):
        # It may be link-local, or outside the subnet: machines get a route to it.
        return str(gateway)
    if gateway not in subnet:
        way_out = f"write one of that subnet, or a shorter {keys.prefix}"
        _refuse(field, text, f"is outside the subnet {subnet}", way_out)
    has_edges = isinstance(subnet, IPv4Network) and subnet.prefixlen <= _LAST_WITH_EDGES
    if has_edges and gateway in (subnet.network_address, subnet.broadcast_address):
        _refuse(field, text, f"is the first or the last of {subnet}", "write the router's address")
    return str(gateway)


def _nameservers(value: Tree) -> tuple[str, ...]:
    field = f"{ROOT}.nameserver"
    if value is None:
        return ()
    if not isinstance(value, list):
        _refuse(
            field, value, "is not a list", "write each address in a line of its own, after a dash"
        )
    return tuple(
        str(_address(f"{field}[{index}]", _text(f"{field}[{index}]", each)))
        for index, each in enumerate(value)
    )


def _hook(value: Tree) -> LifecycleHook:
    field, default = f"{ROOT}.lifecycle-hook", LifecycleHook()
    if value is None:
        return default
    if not isinstance(value, dict):
        _refuse(field, value, "is not a mapping", "write name and owner below it")
    _known(f"{field}.", value, ("name", "owner"))
    name = _text(f"{field}.name", value.get("name", default.name))
    owner = _text(f"{field}.owner", value.get("owner", default.owner))
    if len(name) not in NAME_LENGTH or not NAME_PATTERN.fullmatch(name):
        way_out = "write 3 to 256 characters like ipamController or example.org/IpamController"
        _refuse(f"{field}.name", name, "is not the name of a hook", way_out)
    if len(owner) not in OWNER_LENGTH:
        _refuse(f"{field}.owner", owner, "is not the owner of a hook", "write 3 to 512 characters")
    return LifecycleHook(name, owner)


def _address(field: str, text: str) -> IPAddress:
    way_out = "write one like 192.168.100.1 or 2001:db8::1, without a prefix or a zone"
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        _refuse(field, text, "is not an IP address", way_out)
    if _is_mapped(ip) or (isinstance(ip, IPv6Address) and ip.scope_id):
        _refuse(field, text, "is not a plain IP address", way_out)
    return ip


def _is_mapped(ip: IPAddress) -> bool:
    return isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None


def _text(field: str, value: Tree) -> str:
    """A text; ``""``: nothing is written there."""
    if isinstance(value, list | dict):
        _refuse(field, value, "is not one value", "write it behind the colon")
    return value or ""


def _known(path: str, fields: Fields, names: tuple[str, ...]) -> None:
    for key in fields:
        if key in names:
            continue
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", key[:_SHOWN]).lower().replace("_", "-")
        nearest = difflib.get_close_matches(words, names, n=1)
        way_out = f"did you mean {nearest[0]}?" if nearest else f"write {' or '.join(names)}"
        _refuse(f"{path}{key[:_SHOWN]}", None, "is no field of this file", way_out)


def _refuse(field: str, value: Tree, problem: str, way_out: str) -> NoReturn:
    shown = "" if value is None else f" {json.dumps(value, ensure_ascii=False)[:_SHOWN]}"
    raise HookConfigError(f"{field}:{shown} {problem}; {way_out}")
