"""Changes of links and addresses that somebody else made: a socket that the kernel wakes."""

from __future__ import annotations

import ctypes
import socket
import struct

from moorage_node_agent.link import wire
from moorage_node_agent.namespace import Namespace

_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_SO_ATTACH_FILTER = 26
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _IF_EQUAL, _RETURN = 0x20, 0x28, 0x30, 0x15, 0x06
_TYPE, _PORT, _PREFIX_LENGTH = 4, 12, 17  # where they are in a message
_ALL = 0xFFFFFFFF
_IPV6_HOST = 128


def open_events(namespace: Namespace, own_port: int) -> socket.socket:
    """A socket that is readable after each change of a link or an address that is not ours.

    Refreshing 500 addresses makes 500 messages a second. Those that say that they come from
    ``own_port`` never reach us; those about IPv6 do not say it, so all news of single IPv6
    addresses is left out, but not that one is gone.
    """

    def make() -> socket.socket:
        one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        one.settimeout(0)
        _filter(one, own_port)
        one.bind((0, _GROUPS))
        return one

    return namespace.call(make)


def drain(events: socket.socket) -> bool:
    """Read all that is there; whether there was anything. Too much at once counts as well."""
    found = False
    while True:
        try:
            found = bool(events.recv(1 << 16)) or found
        except BlockingIOError:
            return found
        except OSError:  # ENOBUFS: some were lost
            found = True


def _filter(one: socket.socket, own_port: int) -> None:
    program = (
        (_LOAD_WORD, 0, 0, _PORT),
        (_IF_EQUAL, 4, 0, _as_read("=I", own_port)),
        (_LOAD_HALF, 0, 0, _TYPE),
        (_IF_EQUAL, 0, 3, _as_read("=H", wire.NEW_ADDRESS)),
        (_LOAD_BYTE, 0, 0, _PREFIX_LENGTH),
        (_IF_EQUAL, 0, 1, _IPV6_HOST),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _ALL),
    )
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: how many, and where they are.
    where = struct.pack("HP", len(program), ctypes.addressof(buffer))
    one.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)


def _as_read(form: str, number: int) -> int:
    """A number of a message as the filter reads it: it takes the first byte for the highest."""
    return int.from_bytes(struct.pack(form, number), "big")
