"""Who gives the addresses of a pool away: which are taken, and which comes next."""

from __future__ import annotations

import enum
import hashlib
from typing import Protocol

from .bitmap import Bitmap
from .subnets import UsableSet
from .taken import Taken, bits_of_page

# A drawn address that is taken is drawn again. In a pool that is half full so many draws fail once
# in 65,536 times; in one that is almost full, going on from the last draw is as good.
_DRAWS = 16


class Strategy(enum.Enum):
    """Which free address is given away."""

    LOWEST = "lowest"
    """The lowest one."""
    NEXT = "next"
    """The first one behind the last that was given away so: each is reused as late as possible."""
    RANDOM = "random"
    """Any one, all equally likely; only roughly so in a pool that is almost full."""
    HASH = "hash"
    """The first one from a place that depends on the owner's name: an owner that is recreated gets
    its address again, unless it was given away meanwhile or the pool was edited."""


# In Python 3.11 a member looked up in its class costs as much as a call.
_LOWEST, _NEXT, _RANDOM, _ = Strategy


class Dice(Protocol):
    """What random numbers are drawn from, such as a ``random.Random``."""

    def randrange(self, stop: int, /) -> int:
        """A number from 0 on, below ``stop``."""


class Allocator:
    """The taken addresses of one pool, in memory; addresses are numbers of the pool's family.

    Taken is taken, for whatever reason: issued, in quarantine, or observed in use by others. Memory
    grows with the taken addresses, not with the pool; no call gets slower where many are taken.

    Args:
        usable: what may be issued.
        dice: for ``Strategy.RANDOM``.

    Attributes:
        usable: what may be issued; :meth:`replace` changes it.
        total: how many addresses may be issued, taken ones included.
        cursor: where ``Strategy.NEXT`` goes on; keep it where addresses shall be reused as late as
            possible even after a restart.
    """

    usable: UsableSet
    total: int

    def __init__(self, usable: UsableSet, dice: Dice) -> None:
        self.cursor = 0
        self._dice = dice
        self._taken = Taken(usable)
        self._set_usable(usable)

    @property
    def used(self) -> int:
        """How many addresses are taken, those out of range included."""
        return self._taken.count

    @property
    def out_of_range(self) -> int:
        """How many addresses are taken that could not be issued."""
        return self._outside.count

    @property
    def free(self) -> int:
        """How many addresses can be issued now."""
        return self.total + self._outside.count - self._taken.count

    def __contains__(self, address: int) -> bool:
        return address in self._taken

    def allocate(self, strategy: Strategy, owner: str = "") -> int | None:
        """Take a free usable address; ``None``: there is none.

        Args:
            strategy: which one.
            owner: who gets it; only ``Strategy.HASH`` looks at it.
        """
        if self._taken.count - self._outside.count >= self.total:
            return None
        if strategy is _LOWEST:
            return self._taken.take_first(self._taken.beginning)
        if strategy is _NEXT:
            found = self._take_from(self.cursor)
            self.cursor = 0 if found is None else found + 1
            return found
        if strategy is _RANDOM:
            return self._take_at_or_behind(self._drawn())
        # By the owner; hash() differs from process to process.
        digest = hashlib.sha256(owner.encode()).digest()
        return self._take_at_or_behind(self.usable.nth(int.from_bytes(digest) % self.total))

    def take(self, address: int) -> bool:
        """Take this address; ``False``: it is taken already.

        One that is not usable is taken, too, as a pool may be edited under live addresses. Look at
        ``usable`` before you take what someone asks for.

        Raises:
            ValueError: the pool's family has no such address.
        """
        inside = address in self.usable
        if not inside and not 0 <= address <= self.usable.family.last:
            raise ValueError(f"{address} is no number of an {self.usable.family} address")
        if not self._taken.add(address):
            return False
        if not inside:
            self._outside.add(address)
        return True

    def release(self, address: int) -> bool:
        """Let an address go; ``False``: it was not taken."""
        if not self._taken.remove(address):
            return False
        if self._outside.count:
            self._outside.remove(address)
        return True

    def replace(self, usable: UsableSet) -> None:
        """Go on with other usable addresses; what is taken stays taken, inside or outside of them.

        Raises:
            ValueError: they are of another family: their numbers would mean other addresses.
        """
        if usable.family is not self.usable.family:
            raise ValueError(
                f"a pool of {self.usable.family} addresses cannot go on with {usable.family}:"
                " make an allocator of its own"
            )
        self._set_usable(usable)

    def _set_usable(self, usable: UsableSet) -> None:
        self.usable = usable
        self.total = usable.size
        self._taken = Taken(usable, self._taken.pages)
        self._outside = Bitmap(
            {page: bits & ~bits_of_page(usable, page) for page, bits in self._taken.pages.items()}
        )

    def _drawn(self) -> int:
        address = 0
        for _ in range(_DRAWS):
            address = self.usable.nth(self._dice.randrange(self.total))
            if address not in self._taken:
                break
        return address

    def _take_at_or_behind(self, address: int) -> int | None:
        """A usable address itself where it is free, else the first free one behind it."""
        return address if self._taken.add(address) else self._take_from(address)

    def _take_from(self, start: int) -> int | None:
        """The first free address from ``start`` on, and from the beginning behind the last."""
        found = self._taken.take_first(start)
        return self._taken.take_first(self._taken.beginning) if found is None else found
