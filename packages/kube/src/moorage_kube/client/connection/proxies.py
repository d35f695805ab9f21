"""Proxies: which one is on the way to a server, by the environment, as kubectl reads it.

The rules are those of Go's ``http.ProxyFromEnvironment``, in golang.org/x/net/http/httpproxy.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from moorage_kube.client.connection.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SCHEMES = ("http", "https")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Destination:
    host: str
    address: Address | None
    port: str


def proxy_from_environment(server: str, environment: Mapping[str, str]) -> str | None:
    """The proxy to use for this server; ``None`` = none.

    Raises :class:`ConfigError` for a proxy that is of a kind not supported here.
    """
    parts = urlsplit(server)
    variable, value = _first(environment, f"{parts.scheme}_proxy")
    if not value or not _wants_proxy(parts, _first(environment, "no_proxy")[1]):
        return None
    return _checked(variable, value)


def _first(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    for spelled in (name.upper(), name):
        if environment.get(spelled):
            return spelled, environment[spelled].strip()
    return name, ""


def _checked(variable: str, value: str) -> str:
    if "://" not in value:
        return f"http://{value}"
    scheme = urlsplit(value).scheme
    if scheme not in _SCHEMES:
        # The rest of the value may hold a password.
        raise ConfigError(
            f'{variable} is of scheme "{scheme}": use a proxy of http or https, '
            "or except the API server with NO_PROXY"
        )
    return value


def on_this_machine(host: str) -> bool:
    """Whether a host of a URL is a loopback address, or the name of one."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _wants_proxy(server: SplitResult, no_proxy: str) -> bool:
    host = (server.hostname or "").lower()
    there = _Destination(host, _address(host), str(server.port or _PORTS[server.scheme]))
    if on_this_machine(host):
        return False
    return not any(_excepts(entry, there) for entry in _entries(no_proxy))


def _entries(no_proxy: str) -> Iterator[str]:
    for part in no_proxy.split(","):
        entry = part.strip().lower()
        if entry:
            yield entry


def _excepts(entry: str, there: _Destination) -> bool:
    """Whether this entry of NO_PROXY takes the destination out."""
    if entry == "*":
        return True
    if "/" in entry:
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(entry, strict=False)
            return there.address is not None and there.address in network
    host, port = _host_and_port(entry)
    if not host or port not in ("", there.port):
        return False
    address = _address(host)
    if address is not None or there.address is not None:
        return address == there.address
    return _is_or_is_below(there.host, host.removeprefix("*"))


def _is_or_is_below(host: str, domain: str) -> bool:
    if domain.startswith("."):
        return host.endswith(domain)
    return host == domain or host.endswith(f".{domain}")


def _host_and_port(entry: str) -> tuple[str, str]:
    """Host and port of ``host``, ``host:port``, ``[v6]:port`` or an IPv6 address."""
    if entry.startswith("["):
        host, closed, rest = entry[1:].partition("]")
        return (host, rest.removeprefix(":")) if closed else ("", "")
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
