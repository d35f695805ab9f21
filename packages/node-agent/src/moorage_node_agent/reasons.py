"""Every reason the agent can give: of a node's state of an address, and of a pass."""

from __future__ import annotations

from moorage_domain.reasons import Reason

ANNOUNCED = Reason("Announced", "The node has the address and announces it.")
PROBING = Reason("Probing", "The node asks whether another machine has the address.")
CONFLICT = Reason(
    "Conflict",
    "Another machine answers for the address; the message has its MAC. The address is not put on"
    " this node, and it is asked again after 5 s, then less and less often, at least each minute.",
    warning=True,
)
WAITING_FOR_PROXY = Reason(
    "WaitingForProxy",
    "The node's service proxy, or the health check port of a Service with policy Local, is not"
    " healthy yet. It is waited for two seconds at most.",
)
NO_LINK = Reason(
    "NoLink",
    "The node has no link for the address, or the link has no carrier; the message says which.",
    warning=True,
)
REFUSED = Reason(
    "Refused",
    "The node cannot have the address: it is one of its own, its kernel said no, or a link would"
    " answer for it that must not. The message says what to change.",
    warning=True,
)
YIELDED = Reason(
    "Yielded",
    "Another machine announced the address, or the API server was away for too long with the"
    " policy Withdraw: the node let go of it.",
    warning=True,
)
PROXY_NOT_READY = Reason(
    "ProxyNotReady",
    "The address was taken although the node's service proxy was not healthy within two seconds:"
    " no node would be worse.",
    warning=True,
)
# Of passes.
SETTLED = Reason("Settled", "The node has what it shall have.")
CHANGING = Reason("Changing", "Addresses are being taken or let go.")
REREADING = Reason(
    "Rereading",
    "The agent did not run for longer than addresses live. All are let go, and none is taken before"
    " the claims were read again.",
    warning=True,
)
STATUS_WRITTEN = Reason("StatusWritten", "The claim's status says what this node does.")

ALL: tuple[Reason, ...] = tuple(one for one in list(globals().values()) if isinstance(one, Reason))
"""All of them."""
WARNINGS = frozenset(one.name for one in ALL if one.warning)
"""The names of those that a person should look at."""
