"""Families of addresses: a number inside, a text at the edge."""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from .addresses import InvalidAddress, parsed

# The only spellings of a byte: no sign, no space, no leading zero.
_BYTES = {str(number): number for number in range(256)}
_last_group = re.compile(r"[0-9a-fA-F]{1,4}").fullmatch
# IPv4-mapped addresses are ::ffff:0:0/96.
_MAPPED = 0xFFFF


class Family(enum.Enum):
    """IPv4 or IPv6; the value is the number of bits of an address."""

    IPV4 = 32
    IPV6 = 128

    # Addresses are looked up all the time, and the hash of a member's name is a call of its own.
    __hash__ = object.__hash__

    def __str__(self) -> str:
        return "IPv4" if self is Family.IPV4 else "IPv6"

    @property
    def last(self) -> int:
        """The number of the last address; the first one is 0."""
        return (1 << self.value) - 1

    def parse(self, text: str) -> int:
        """The number of an address of this family.

        Raises:
            InvalidAddress: as :func:`parse_address`, or the address is of the other family.
        """
        # An index of a million addresses is built at every start; with ipaddress it takes seconds.
        number = _usual_ipv4(text) if self is _IPV4 else _usual_ipv6(text)
        if number is not None:
            return number
        address = parse_address(text)
        if address.family is not self:
            example = "10.0.0.5" if self is Family.IPV4 else "2001:db8::5"
            raise InvalidAddress(
                f'"{text}" is {address.family}, but {self} is needed here:'
                f" write an address like {example}"
            )
        return address.number

    def format(self, number: int) -> str:
        """The canonical text of an address."""
        if self is _IPV4:
            # Ten times as fast as ipaddress; a claim's address is written a dozen times.
            return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        return str(ipaddress.IPv6Address(number))


# In Python 3.11 a member looked up in its class costs as much as a call.
_IPV4 = Family.IPV4


@dataclass(frozen=True, slots=True)
class Address:
    """One address; ``str()`` gives its canonical text.

    Attributes:
        family: what kind of address the number is.
        number: the address as a whole number, 0 to ``family.last``.
    """

    family: Family
    number: int

    def __str__(self) -> str:
        return self.family.format(self.number)


def parse_address(text: str) -> Address:
    """The address of a text.

    Raises:
        InvalidAddress: no address, a leading zero, a zone, or an IPv4-mapped address. The API
            server refuses mapped addresses, too: one machine would have two spellings.
    """
    usual = _usual_ipv4(text)
    if usual is not None:
        return Address(_IPV4, usual)
    ip = parsed(text)
    number = int(ip)
    if isinstance(ip, ipaddress.IPv4Address):
        return Address(Family.IPV4, number)
    if number >> 32 == _MAPPED:
        raise InvalidAddress(f'"{text}" is an IPv4-mapped address: write {ip.ipv4_mapped}')
    return Address(Family.IPV6, number)


def _usual_ipv4(text: str) -> int | None:
    """The number of an address in its usual spelling; ``None``: it is to be parsed with care."""
    try:
        one, two, three, four = text.split(".")
        return _BYTES[one] << 24 | _BYTES[two] << 16 | _BYTES[three] << 8 | _BYTES[four]
    except (KeyError, ValueError):
        return None


def _usual_ipv6(text: str) -> int | None:
    head, _, group = text.rpartition(":")
    before = _with_last_group_0(head) if _last_group(group) else None
    return None if before is None else before | int(group, 16)


@lru_cache(1024)  # addresses of one pool mostly differ in their last group
def _with_last_group_0(head: str) -> int | None:
    try:
        address = parse_address(f"{head}:0")
    except InvalidAddress:
        return None
    return address.number if address.family is Family.IPV6 else None
