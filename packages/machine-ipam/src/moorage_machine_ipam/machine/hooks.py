"""The lifecycle hook by which a Machine waits for its addresses."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

NAME_LENGTH = range(3, 257)
OWNER_LENGTH = range(3, 513)
NAME_PATTERN = re.compile(
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
)
"""``LifecycleHook.name`` in machine/v1beta1 of openshift/api: CamelCase or fqdn/CamelCase."""


HOOK_ANNOTATION = "moorage.dev/lifecycle-hook"
"""On a Machine: the preTerminate hook that we put there, whatever the file says by now."""


class StartList(enum.StrEnum):
    """The list of ``spec.lifecycleHooks`` that holds a Machine before it has a VM.

    Neither is in openshift/api: they need a CRD that has them.
    """

    PRE_CREATE = "preCreate"
    """As in the README."""
    PRE_PROVISION = "preProvision"
    """The later name, of the second generation."""


@dataclass(frozen=True, slots=True)
class LifecycleHook:
    """Our entry in the lists of ``spec.lifecycleHooks``; it is ours by name and owner.

    Attributes:
        name: see :data:`NAME_PATTERN`; a list has at most one entry of a name.
        owner: who holds the Machine, for people.
        start_list: where it stands in a Machine that needs addresses.
    """

    name: str = "ipamController"
    owner: str = "network-admin"
    start_list: StartList = StartList.PRE_CREATE

    def __str__(self) -> str:
        return f"{self.name} of {self.owner} in {self.start_list}"

    def to_annotation(self) -> str:
        """As the Machine remembers it."""
        return json.dumps({"name": self.name, "owner": self.owner})


def remembered_hook(annotations: Mapping[str, object]) -> LifecycleHook | None:
    """The hook that we put on a Machine, by its annotations; ``None``: we put none there."""
    try:
        found = json.loads(str(annotations.get(HOOK_ANNOTATION) or "null"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not {"name", "owner"} <= found.keys():
        return None
    return LifecycleHook(str(found["name"]), str(found["owner"]))
