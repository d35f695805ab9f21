"""What a replica remembers of net-attach-defs that are gone or changed, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

from lab_nads import BRIDGE, NS

from moorage_endpoints.caches import Caches
from moorage_endpoints.nads.caches import NadCaches
from moorage_endpoints.nads.model import Gone, Protection
from moorage_endpoints.nads.names import NETWORKS
from moorage_endpoints.nads.usage import NadUsage
from moorage_testing import virtual_time


def _caches(protection: Protection) -> tuple[Caches, NadCaches]:
    base = Caches(lambda: 0.0)
    base.pods.replace_all(())
    return base, NadCaches(base.nads, NadUsage(base.pods), protection)


def _nad(name: str, config: str = BRIDGE) -> dict[str, Any]:
    meta = {"name": name, "namespace": NS, "uid": f"uid-{name}"}
    return {"metadata": meta, "spec": {"config": config}}


def _pod(networks: str) -> dict[str, Any]:
    meta = {"name": "pod", "namespace": NS, "annotations": {NETWORKS: networks}}
    return {"metadata": meta, "status": {"phase": "Running"}}


def _is_gone(caches: NadCaches, name: str) -> bool:
    observed = caches.observe(f"{NS}/{name}")
    return observed is not None and isinstance(observed.nad, Gone)


def test_who_begins_to_lead_thinks_of_what_was_deleted_just_now_and_of_nothing_else() -> None:
    async def story() -> None:
        _, caches = _caches(Protection.RESURRECT)
        for name in ("old", "new"):
            caches.nads.apply(_nad(name))
        caches.nads.forget(f"{NS}/old")
        await asyncio.sleep(90.0)
        caches.nads.forget(f"{NS}/new")
        assert (_is_gone(caches, "old"), _is_gone(caches, "new")) == (True, True)
        await caches.begin()
        assert (_is_gone(caches, "old"), _is_gone(caches, "new")) == (False, True)

    virtual_time.run(story())


def test_who_never_leads_does_not_remember_for_ever() -> None:
    async def story() -> None:
        _, caches = _caches(Protection.RESURRECT)
        for name in ("old", "new"):
            caches.nads.apply(_nad(name))
        caches.nads.forget(f"{NS}/old")
        await asyncio.sleep(700.0)
        caches.nads.forget(f"{NS}/new")
        assert (_is_gone(caches, "old"), _is_gone(caches, "new")) == (False, True)

    virtual_time.run(story())


def test_only_resurrect_remembers_at_all() -> None:
    _, caches = _caches(Protection.FINALIZER)
    caches.nads.apply(_nad("net"))
    caches.nads.forget(f"{NS}/net")
    assert caches.observe(f"{NS}/net") is None


def test_what_was_changed_before_somebody_leads_is_no_news() -> None:
    async def story() -> None:
        base, caches = _caches(Protection.FINALIZER)
        base.pods.apply(_pod("net"))
        caches.nads.apply(_nad("net"))
        caches.nads.apply(_nad("net", config=""))
        assert caches.changed_in_use == {f"{NS}/net"}
        await caches.begin()
        assert caches.changed_in_use == set()

    virtual_time.run(story())


def test_users_are_not_known_before_all_pods_are() -> None:
    base = Caches(lambda: 0.0)
    usage = NadUsage(base.pods)
    base.pods.apply(_pod("net"))
    assert usage.users(f"{NS}/net") is None
    base.pods.replace_all([_pod("net")])
    users = usage.users(f"{NS}/net")
    assert users is not None
    assert users.first == (f"{NS}/pod",)
