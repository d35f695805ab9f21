"""``--release-all``: take what is ours off every object of some kinds, and end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from moorage_domain.kinds import Kind
from moorage_domain.subject import Subject
from moorage_kube.client.client import Target
from moorage_kube.client.errors import Conflict, KubeError, NotFound, Unavailable
from moorage_kube.manager.manager import Manager
from moorage_kube.writes.finalizers import finalizer_patch
from moorage_kube.writes.metadata import patch_if_unchanged

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0

Patch: TypeAlias = "dict[str, Any] | list[dict[str, Any]] | None"
PatchOf: TypeAlias = Callable[[dict[str, Any]], Patch]
"""What takes everything of ours off an object; ``None`` = there is nothing."""


def without_finalizer(finalizer: str) -> PatchOf:
    """Of kinds on which nothing but a finalizer is ours."""
    return lambda raw: finalizer_patch(Subject.of(raw), finalizer, present=False)


class ReleaseAll:
    """Patches every object on which something is ours, while no other replica puts it on.

    Run it with ``manager.run_while_leading``: whoever else leads would write it again.
    ``others_are_done`` is asked whether what controllers of the manager let go meanwhile is free.
    """

    def __init__(
        self,
        manager: Manager,
        patches: Sequence[tuple[Kind, PatchOf]],
        others_are_done: Callable[[], bool] = lambda: True,
    ) -> None:
        self._manager = manager
        self._patches = patches
        self._others_are_done = others_are_done

    async def run(self) -> None:
        """Patch them until nothing is left, have the manager stop, and return."""
        while True:
            try:
                left = [await self._release(*one) for one in self._patches]
                if not any(left) and (self._manager.settings.dry_run or self._others_are_done()):
                    break
            except KubeError as error:
                logger.warning("releasing goes on in a moment: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
        names = ", ".join(kind.plural for kind, _ in self._patches)
        logger.info("none of %s is held by us any more", names)
        self._manager.stop()

    async def _release(self, kind: Kind, patch_of: PatchOf) -> int:
        """How many objects were held; they are free where nobody else changed them."""
        held = 0
        try:
            found = await self._manager.client.list_all(kind)
        except NotFound:  # the kind is not installed, or no more
            return 0
        for raw in found:
            patch = patch_of(raw)
            if not patch:
                continue
            held += 1
            if self._manager.settings.dry_run:
                logger.info("dry run: %s %s would be let go", kind.name, raw["metadata"]["name"])
                continue
            self._manager.election.fence()
            try:
                await self._patch(kind, Subject.of(raw), patch)
            except (Conflict, NotFound):  # looked at again
                continue
            except Unavailable:
                raise
            except KubeError as error:  # the others are let go all the same
                logger.warning("%s %s: %s", kind.name, raw["metadata"]["name"], error)
        return 0 if self._manager.settings.dry_run else held

    async def _patch(self, kind: Kind, subject: Subject, patch: Patch) -> None:
        target = Target(subject.name, subject.namespace)
        if isinstance(patch, list):
            await patch_if_unchanged(self._manager.client, kind, target, subject.uid, patch)
        elif patch is not None:
            await self._manager.client.patch(kind, target, patch)
