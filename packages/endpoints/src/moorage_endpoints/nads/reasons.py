"""Every reason a net-attach-def can have for its state."""

from __future__ import annotations

from moorage_domain.reasons import Reason

NAD_IN_USE = Reason("NadInUse", "Pods use the net-attach-def, and it is kept until none does.")
NAD_NOT_IN_USE = Reason("NadNotInUse", "No pod uses the net-attach-def; nothing of ours is on it.")
NAD_NOT_PROTECTED = Reason(
    "NadNotProtected",
    "The net-attach-def may vanish while pods use it: --protect-nads, its label"
    " moorage.dev/protect=false or its annotation moorage.dev/allow-delete=true says so.",
)
NAD_USERS_UNKNOWN = Reason(
    "NadUsersUnknown", "The pods are not listed yet; the net-attach-def is left as it is."
)
HELD_BY_PODS = Reason(
    "HeldByPods",
    "The net-attach-def is being deleted, and stays until no pod uses it; the message names some."
    " Delete those pods, or annotate it moorage.dev/allow-delete=true to let it go at once.",
    warning=True,
)
NAD_LEAVING = Reason(
    "NadLeaving", "The net-attach-def is being deleted, and nothing of ours holds it."
)
RELEASED_FOR_NAMESPACE_DELETION = Reason(
    "ReleasedForNamespaceDeletion",
    "The namespace of the net-attach-def is being deleted, so it goes although pods use it.",
)
CHANGED_WHILE_IN_USE = Reason(
    "ChangedWhileInUse",
    "The config of the net-attach-def was changed while pods use it. They keep the network that"
    " they have until their sandbox is made anew.",
    warning=True,
)
RESURRECTED = Reason(
    "Resurrected",
    "The net-attach-def was deleted while pods use it, and was created again"
    " (--protect-nads=resurrect). Delete the pods first.",
    warning=True,
)
RESURRECTING = Reason(
    "NadResurrecting", "The net-attach-def was deleted while pods use it; it is created again."
)
NOT_RESURRECTED = Reason(
    "NadNotResurrected",
    "The net-attach-def was deleted and stays so, although pods use it; the log says why.",
)

ALL: tuple[Reason, ...] = tuple(one for one in list(globals().values()) if isinstance(one, Reason))
"""All of them."""
