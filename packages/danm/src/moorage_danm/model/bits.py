"""Bit arrays: which addresses of a network are in use, as DANM writes it into ``alloc``; pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator

MOST_BITS = 1 << 23
"""More addresses than these DANM gives no network."""


class BadBits(ValueError):
    """The text is no bit array of this network; the message says why."""


class BitArray:
    """One bit for each address, counted from the first one of the network; the first is leftmost.

    Immutable: :meth:`with_clear` and :meth:`with_set` return another one.
    """

    __slots__ = ("_raw", "size")

    def __init__(self, raw: bytes, size: int) -> None:
        """``size``: how many addresses there are."""
        if len(raw) != _bytes_of(size):
            raise BadBits(f"{len(raw)} bytes for {size} addresses; {_bytes_of(size)} are expected")
        self._raw = raw
        self.size = size

    @classmethod
    def parse(cls, text: str, size: int) -> BitArray:
        """From base64. Raises :class:`BadBits`."""
        if not 0 < size <= MOST_BITS:
            raise BadBits(f"{size} addresses; DANM manages 1 to {MOST_BITS} of a network")
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadBits(f"it is not base64: {error}") from error
        return cls(raw, size)

    @classmethod
    def fresh(cls, size: int) -> BitArray:
        """As DANM makes it: nothing is in use but the first and the last address."""
        return cls(bytes(_bytes_of(size)), size).with_set({0, size - 1})

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self.size and bool(self._raw[index >> 3] & 0x80 >> (index & 7))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BitArray) and (self._raw, self.size) == (other._raw, other.size)

    def __hash__(self) -> int:
        return hash((self._raw, self.size))

    def __str__(self) -> str:
        """As DANM writes it."""
        return base64.b64encode(self._raw).decode()

    def indexes(self) -> Iterator[int]:
        """The addresses in use, in order; costs as much as the array is long."""
        for at, byte in enumerate(self._raw):
            if byte:
                yield from (at << 3 | bit for bit in range(8) if byte & 0x80 >> bit)

    def with_clear(self, indexes: Iterable[int]) -> BitArray:
        """The same with these addresses free; those that lie outside are left out."""
        raw = bytearray(self._raw)
        for index in indexes:
            if 0 <= index < self.size:
                raw[index >> 3] &= ~(0x80 >> (index & 7))
        return BitArray(bytes(raw), self.size)

    def with_set(self, indexes: Iterable[int]) -> BitArray:
        """The same with these addresses in use; those that lie outside are left out."""
        raw = bytearray(self._raw)
        for index in indexes:
            if 0 <= index < self.size:
                raw[index >> 3] |= 0x80 >> (index & 7)
        return BitArray(bytes(raw), self.size)


def _bytes_of(size: int) -> int:
    return (size + 7) // 8
