"""One object as the API server has it now: the last word on whether it is gone."""

from __future__ import annotations

from typing import Any

from moorage_domain.errors import MendedElsewhere
from moorage_domain.kinds import Kind
from moorage_kube.client.client import Client
from moorage_kube.client.errors import NotFound


class KindLost(MendedElsewhere):
    """The API server does not know the kind any more: that says nothing of what there was of it."""


async def look_up(
    client: Client, kind: Kind, name: str, namespace: str | None = None
) -> dict[str, Any] | None:
    """The object; ``None``: there is none of that name. Raises :class:`KindLost`."""
    try:
        return await client.get(kind, name, namespace)
    except NotFound as error:
        # Else it is the path that is not found, and not the object.
        if f'"{name}"' not in error.message:
            raise KindLost(f"no {kind.name} can be asked for: {error}") from error
        return None
