"""``--release-all``: nothing of ours holds an object any more; every address stays where it is."""

from __future__ import annotations

from typing import cast

from moorage_api.ippool import IPPOOLS
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.release_all import PatchOf, ReleaseAll, without_finalizer
from moorage_machine_ipam import kinds
from moorage_machine_ipam.machine.hook_file import HookFile
from moorage_machine_ipam.machine.hooks import LifecycleHook
from moorage_machine_ipam.machine.patches import release_hooks_patch
from moorage_machine_ipam.projections import FINALIZER, POOL_FINALIZER
from moorage_machine_ipam.settings import MachineIpamSettings


def release_all(manager: Manager) -> ReleaseAll:
    """Takes our finalizers and hooks off every object; addresses and IPAllocations stay."""
    settings = cast("MachineIpamSettings", manager.settings)
    # With a bad file only those hooks go that Machines remember.
    config = HookFile(settings.hook_config).config if settings.hook_config else None
    hooks = _without_hooks(config.hook if config else None)
    return ReleaseAll(
        manager,
        (
            (kinds.claims(settings.served_version), without_finalizer(FINALIZER)),
            (IPPOOLS, without_finalizer(POOL_FINALIZER)),
            (kinds.MACHINES, hooks),
        ),
    )


def _without_hooks(hook: LifecycleHook | None) -> PatchOf:
    return lambda raw: release_hooks_patch(raw, hook)
