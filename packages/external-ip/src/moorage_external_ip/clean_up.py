"""``moorage-external-ip clean-up``: all addresses come off Services and nodes, and nothing is held.

It acts only while it leads: whoever else did would give the addresses out again. Agents that still
run let go as their claims are withdrawn; where none runs any more, the kernel has let go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS, NODE_LABEL
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_api.ipnode import IPNODES
from moorage_domain.conditions import condition_of
from moorage_domain.families import Address
from moorage_domain.kinds import Kind
from moorage_domain.subject import Subject
from moorage_external_ip.kinds import SERVICES
from moorage_external_ip.placement.leases import SELECTOR, agent_of
from moorage_external_ip.projections import CLAIM_KIND, POOL_FINALIZER, Claim, claim_of
from moorage_external_ip.service.ingress import without
from moorage_external_ip.service.model import CONDITION
from moorage_external_ip.service.wish import Service, service_of
from moorage_external_ip.service.withdrawal import external_patch, status_patch
from moorage_external_ip.settings import ExternalIpSettings
from moorage_ipam.first_seen import FirstSeen
from moorage_ipam.records import Record, record_of
from moorage_kube.client.client import ListQuery, Target
from moorage_kube.client.errors import Conflict, KubeError, NotFound, Unavailable
from moorage_kube.client.kinds import LEASES
from moorage_kube.manager.manager import Manager
from moorage_kube.writes.finalizers import finalizer_patch

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
LATE_SECONDS = 5.0
"""So long after its Lease or its hold has ended an agent's node is sure to have let go."""


class CleanUpSettings(ExternalIpSettings):
    """Settings of ``moorage-external-ip clean-up``."""

    description: ClassVar[str] = (
        "Takes every address off Services and nodes, deletes IpClaims, IpNodes and their"
        " IPAllocations, and takes the finalizers off IpClaimPools, which stay. It waits until no"
        " controller leads."
    )


class CleanUp:
    """Takes away what there is until there is nothing."""

    def __init__(self, manager: Manager) -> None:
        settings = cast("ExternalIpSettings", manager.settings)
        self._manager, self._client = manager, manager.client
        self._agents = settings.agent_namespace or manager.namespace
        self._unchanged = FirstSeen()
        self._left = 0
        self._waiting: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Take all away, have the manager stop, and return."""
        while True:
            try:
                await self._look()
                if not self._left:
                    break
            except KubeError as error:
                logger.warning("the clean-up goes on in a moment: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
        logger.info("no Service and no node has an address of ours, and no pool is held by us")
        self._manager.stop()

    async def _look(self) -> None:
        """One look at everything; ``_left`` counts what there was to do, or still is.

        In this order: nobody is told of an address any more, no node has it, it is forgotten. What
        is refused holds up nothing else, but the end.
        """
        self._left = 0
        claims = [claim_of(raw) for raw in await self._list(IPCLAIMS)]
        if await self._clean_services(claims) or await self._withdraw_all(claims):
            return
        if not await self._is_held(claims):
            await self._delete_all(claims)

    async def _clean_services(self, claims: Iterable[Claim]) -> bool:
        """Whether any was changed."""
        changed = False
        for raw in await self._list(SERVICES):
            service = service_of(raw)
            ours = {one.address for one in claims if service.subject.uid in one.uids}
            changed |= await self._clean_service(service, {one for one in ours if one is not None})
        return changed

    async def _clean_service(self, service: Service, ours: set[Address]) -> bool:
        changed, subject = False, service.subject
        marked = bool(condition_of(subject.status, CONDITION))
        if marked or len(without(service.ingress, ours)) < len(service.ingress):
            patch = status_patch(service, ours)
            changed = await self._patch(SERVICES, subject, patch, "status")
        if service.annotated:
            changed |= await self._patch(SERVICES, subject, external_patch(service, ()))
        return changed

    async def _withdraw_all(self, claims: Iterable[Claim]) -> bool:
        """Whether any was on a node by its spec."""
        there = (one for one in claims if one.node_name or one.node_names or one.node_label)
        return any([await self._withdraw(one) for one in there])

    async def _withdraw(self, claim: Claim) -> bool:
        body = {
            "metadata": {"labels": {NODE_LABEL: None}},
            "spec": {"nodeName": "", "nodeNames": None},
        }
        return await self._patch(IPCLAIMS, claim.subject, body)

    async def _is_held(self, claims: Iterable[Claim]) -> bool:
        """Whether a node may still have an address: it says so, and is not known to be dead."""
        said = {node for one in claims for node in one.subject.status.get("nodes") or ()}
        try:
            query = ListQuery(SELECTOR, namespace=self._agents)
            leases = await self._client.list_all(LEASES, query)
        except NotFound:
            leases = []
        waiting = frozenset(filter(None, (self._holds(raw, said) for raw in leases)))
        if waiting and waiting != self._waiting:
            logger.info("waiting until these nodes let go: %s", ", ".join(sorted(waiting)))
        self._waiting = waiting
        self._left += len(waiting)
        return bool(waiting)

    def _holds(self, lease: Mapping[str, Any], said: set[str]) -> str:
        """The node of a Lease, if it has said that it has something; ``""`` = it has let go."""
        agent = agent_of(lease)
        if agent is None or agent.node not in said:
            return ""
        seconds = self._unchanged.seconds(agent.node, lease["metadata"]["resourceVersion"])
        lasts = max(agent.lease_seconds, agent.hold_seconds) + LATE_SECONDS
        return agent.node if seconds < lasts else ""

    async def _delete_all(self, claims: Iterable[Claim]) -> None:
        """Once no node has anything: the objects, and last of all what holds the pools."""
        for claim in claims:
            await self._delete(IPCLAIMS, claim.subject)
        for raw in await self._list(IPALLOCATIONS):
            record = record_of(raw)
            if record is not None and _is_ours(record):
                await self._delete(IPALLOCATIONS, Subject.of(raw))
        for raw in await self._list(IPNODES):
            await self._delete(IPNODES, Subject.of(raw))
        for raw in await self._list(IPCLAIMPOOLS):
            subject = Subject.of(raw)
            if patch := finalizer_patch(subject, POOL_FINALIZER, present=False):
                await self._patch(IPCLAIMPOOLS, subject, patch)

    async def _list(self, kind: Kind) -> list[dict[str, Any]]:
        try:
            return await self._client.list_all(kind)
        except NotFound:  # the kind is not installed, or no more
            return []

    async def _patch(
        self, kind: Kind, subject: Subject, body: dict[str, Any], subresource: str | None = None
    ) -> bool:
        """Whether it is changed, by us or by somebody else meanwhile."""
        if not self._may_change(kind, subject, "changed"):
            return False
        meta = {"uid": subject.uid, "resourceVersion": subject.resource_version}
        body = body | {"metadata": meta | body.get("metadata", {})}
        target = Target(subject.name, subject.namespace, subresource)
        try:
            await self._client.patch(kind, target, body)
        except (Conflict, NotFound):  # looked at again
            return True
        except Unavailable:
            raise
        except KubeError as error:
            logger.warning("%s %s: %s", kind.name, subject.name, error)
            return False
        return True

    async def _delete(self, kind: Kind, subject: Subject) -> None:
        if not subject.deleting and self._may_change(kind, subject, "deleted"):
            try:
                await self._client.delete(kind, subject.name, uid=subject.uid)
            except (Conflict, NotFound):  # another one of that name, or none: looked at again
                return

    def _may_change(self, kind: Kind, subject: Subject, what: str) -> bool:
        if self._manager.settings.dry_run:
            logger.info("dry run: %s %s would be %s", kind.name, subject.name, what)
            return False
        self._left += 1
        self._manager.election.fence()
        return True


def _is_ours(record: Record) -> bool:
    of_claim = record.owner is not None and record.owner.kind == CLAIM_KIND
    return of_claim or (record.pool is not None and record.pool.group == IPCLAIMPOOLS.group)


def setup(manager: Manager) -> None:
    """Add the clean-up, and no controller, to a manager."""
    manager.run_while_leading("clean-up", CleanUp(manager).run)
