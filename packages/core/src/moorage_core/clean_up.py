"""``moorage-core clean-up``: delete every allocation, so that all addresses come off their nodes.

It is a controller itself, so that it ends also where no other one is left to release anything;
where one runs and leads, this one stands by and watches.
"""

from __future__ import annotations

import asyncio
import logging
from typing import ClassVar

from pydantic import Field

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core.controller import setup as set_up_controller
from moorage_core.settings import CoreSettings
from moorage_domain.kinds import Kind
from moorage_kube.client.errors import Conflict, KubeError, NotFound
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.settings import in_group

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
CRDS = Kind(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
    namespaced=False,
)  # fmt: skip


class CleanUpSettings(CoreSettings):
    """Settings of ``moorage-core clean-up``."""

    description: ClassVar[str] = (
        "Deletes every NetIPAllocation and ends once all addresses are released. It needs the"
        " rights of the controller, and to delete what it deletes."
    )

    delete_crds: bool = Field(
        default=False,
        description="Delete the CustomResourceDefinition, too, once no object of it is left.",
        json_schema_extra=in_group("general"),
    )


class CleanUp:
    """Deletes what there is until there is nothing."""

    def __init__(self, manager: Manager, *, delete_crds: bool) -> None:
        self._manager = manager
        self._delete_crds = delete_crds
        self._left: set[str] = set()

    async def run(self) -> None:
        """Delete all, have the manager stop, and return."""
        while True:
            try:
                if not await self._delete_all():
                    break
            except KubeError as error:
                logger.warning("the clean-up goes on in a moment: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
        logger.info("no NetIPAllocation is left")
        self._manager.stop()

    async def _delete_all(self) -> bool:
        """Whether anything is left."""
        client = self._manager.client
        try:
            found = await client.list_all(NETIPALLOCATIONS)
        except NotFound:
            return False
        if self._manager.settings.dry_run:
            logger.info("dry run: %d would be deleted", len(found))
            return False
        for raw in found:
            meta = raw["metadata"]
            if "deletionTimestamp" not in meta:
                await self._delete(NETIPALLOCATIONS, meta["name"], meta["uid"])
        self._say({raw["metadata"]["name"] for raw in found})
        if not found and self._delete_crds:
            await self._delete(CRDS, f"{NETIPALLOCATIONS.plural}.{NETIPALLOCATIONS.group}")
        return bool(found)

    async def _delete(self, kind: Kind, name: str, uid: str | None = None) -> None:
        try:
            await self._manager.client.delete(kind, name, uid=uid)
        except (Conflict, NotFound):  # another one of that name, or none: looked at again
            return

    def _say(self, left: set[str]) -> None:
        if left and left != self._left:
            logger.info("waiting until these are released: %s", ", ".join(sorted(left)))
        self._left = left


def setup(manager: Manager) -> None:
    """Add the controller and the clean-up to a manager."""
    set_up_controller(manager)
    settings = manager.settings
    delete_crds = isinstance(settings, CleanUpSettings) and settings.delete_crds
    manager.run_always("clean-up", CleanUp(manager, delete_crds=delete_crds).run)
