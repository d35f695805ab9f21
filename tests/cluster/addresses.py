"""An address of this machine that is not loopback, made for a while where there is none.

An EndpointSlice refuses loopback, and a machine may have nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterator

# From linux/sockios.h and linux/if.h; an interface request is a name and 24 bytes more.
_SET_FLAGS, _SET_ADDRESS, _SET_NETMASK = 0x8914, 0x8916, 0x891C
_DOWN = 0
_REQUEST = struct.Struct("16s24s")


def routed_address() -> str | None:
    """The address from which this machine reaches others; ``None`` = it reaches none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # sends nothing, only chooses a route
        except OSError:
            return None
        address = str(asking.getsockname()[0])
    return None if address.startswith("127.") else address


@contextlib.contextmanager
def address_of_loopback() -> Iterator[str]:
    """An address beside 127.0.0.1, of this process; raises ``PermissionError`` but for root."""
    # From a network that is nobody's; a process beside this one takes another.
    address = f"198.51.100.{os.getpid() % 254 + 1}"
    name = f"lo:{os.getpid()}".encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, _SET_ADDRESS, _REQUEST.pack(name, _inet(address)))
        try:
            fcntl.ioctl(asking, _SET_NETMASK, _REQUEST.pack(name, _inet("255.255.255.255")))
            yield address
        finally:
            # An alias that is taken down is gone.
            fcntl.ioctl(asking, _SET_FLAGS, _REQUEST.pack(name, struct.pack("=h", _DOWN)))


def _inet(address: str) -> bytes:
    """A ``sockaddr_in``."""
    return struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(address))
