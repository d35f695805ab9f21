"""A lab for admission: the API server's way of creating a Machine, webhooks included."""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_machines import NS, MachineLab, late_hooks, spec_of

from moorage_domain.admission import Decision
from moorage_kube.webhook.admission import answer, parse
from moorage_kube.webhook.server import WebhookServer
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.machine.registration import machine_webhook
from moorage_testing import virtual_time
from moorage_testing.apiserver import ApiServer, Refusal
from moorage_testing.apiserver.patches import patched
from moorage_testing.harness import World, lived_through
from moorage_testing.openshift import MachineController

Raw = dict[str, Any]
STOCK = """\
ipam-config:
  ip-range-cidr: 192.168.101.64/28
  prefix: 23
  nameserver: [192.168.1.215]
  default-gateway: 192.168.100.1
"""
LABELS = {"moorage.dev/static-addresses": "true"}
FIRST = "192.168.101.64"
SECOND = "192.168.101.65"


@dataclass
class Admission:
    """The API server's side: it asks our webhook, then others, then ours again if they changed.

    Attributes:
        worlds: of the replicas; each request goes to the next one.
        others: webhooks that come after ours.
        lost: so many of our answers do not arrive.
        refused: so many creations are refused after admission, by a quota for instance.
        asked: how often our webhook was asked.
    """

    server: ApiServer
    worlds: list[World] = field(default_factory=list)
    others: list[Callable[[Raw], Raw]] = field(default_factory=list)
    lost: int = 0
    refused: int = 0
    asked: int = 0
    warnings: list[str] = field(default_factory=list)
    _questions: itertools.count[int] = field(default_factory=itertools.count)
    _turns: itertools.count[int] = field(default_factory=itertools.count)

    async def create(self, body: Raw, *, dry_run: bool = False) -> Raw:
        """Create a Machine as a user does; raises :class:`Refusal`."""
        named = {"apiVersion": MACHINES.api_version, "kind": "Machine"}
        machine = named | copy.deepcopy(body)
        machine = await self._admitted(machine, dry_run=dry_run)
        for other in self.others:
            before, machine = machine, other(copy.deepcopy(machine))
            if machine != before:
                machine = await self._admitted(machine, dry_run=dry_run)
        if self.refused:
            self.refused -= 1
            raise Refusal(403, "Forbidden", "exceeded quota")
        if dry_run:
            return machine
        return self.server.create(MACHINES, machine)

    async def _admitted(self, machine: Raw, *, dry_run: bool) -> Raw:
        hook = machine_webhook("x", "x")
        wanted = hook["objectSelector"]["matchLabels"].items()
        if not wanted <= (machine["metadata"].get("labels") or {}).items():
            return machine
        response = await self._called(self._review(machine, dry_run=dry_run), hook)
        if not response["allowed"]:
            status = response["status"]
            message = f'admission webhook "{hook["name"]}" denied the request: {status["message"]}'
            raise Refusal(status["code"], status["reason"], message)
        self.warnings += response.get("warnings", ())
        if "patch" not in response:
            return machine
        return patched(machine, json.loads(base64.b64decode(response["patch"])))

    async def _called(self, review: Raw, hook: Raw) -> Raw:
        """The response; what comes after the timeout, or from a dead process, never arrives."""
        self.asked += 1
        path = hook["clientConfig"]["service"]["path"]
        world = self.worlds[next(self._turns) % len(self.worlds)] if self.worlds else None
        manager = world.manager if world else None
        server = manager.servers.get("webhooks") if manager else None
        if not isinstance(server, WebhookServer):
            raise _failed("connection refused")
        # A task of that process: it dies with it.
        task = asyncio.create_task(_answered(server, path, review), name="webhook")
        await asyncio.wait({task}, timeout=hook["timeoutSeconds"])
        if not task.done():
            raise _failed("context deadline exceeded")
        if task.cancelled() or task.exception() is not None:
            raise _failed("EOF")
        if self.lost:
            self.lost -= 1
            raise _failed("EOF")
        response: Raw = json.loads(task.result())["response"]
        assert response["uid"] == review["request"]["uid"]
        return response

    def _review(self, machine: Raw, *, dry_run: bool) -> Raw:
        kind = {"group": MACHINES.group, "version": MACHINES.version}
        request = {
            "uid": f"question-{next(self._questions)}",
            "kind": kind | {"kind": "Machine"},
            "resource": kind | {"resource": "machines"},
            "namespace": machine["metadata"]["namespace"],
            "operation": "CREATE",
            "object": machine,
            "dryRun": dry_run,
            "userInfo": {"username": "machine-api-controllers"},
        }
        # Of what is to get a generated name there is none, whatever a webhook has written.
        if not machine["metadata"].get("generateName"):
            request["name"] = machine["metadata"]["name"]
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


async def _answered(server: WebhookServer, path: str, review: Raw) -> bytes:
    question = parse(json.dumps(review).encode())
    found = server.webhooks[path].answer(question, 8.0)
    decision: Decision
    decision, _ = found if isinstance(found, tuple) else await found
    return answer(question, decision)


def _failed(why: str) -> Refusal:
    """As with ``failurePolicy: Fail``."""
    return Refusal(500, "InternalError", f"failed calling webhook: {why}")


def machine_body(name: str = "", *, prefix: str = "", spec: Raw | None = None, **meta: Any) -> Raw:
    """A Machine as its maker sends it."""
    named = {"name": name} if name else {"generateName": prefix}
    metadata = {"namespace": NS, "labels": dict(LABELS), **named, **meta}
    return {"metadata": metadata, "spec": spec or spec_of(hooks={})}


class AdmissionLab(MachineLab):
    """A lab with OpenShift as it is: no start hooks, machine-api-operator, and our webhook."""

    def __init__(self, path: Path, text: str = STOCK, **settings: Any) -> None:
        super().__init__(path, text, **({"webhook_machines": True} | settings))
        self.admission = Admission(self.server, [self.world])
        self.openshift = MachineController(self.server.request, NS)

    async def create(self, name: str = "", *, dry_run: bool = False, **body: Any) -> Raw:
        return await self.admission.create(machine_body(name, **body), dry_run=dry_run)

    async def refusal(self, name: str = "", *, dry_run: bool = False, **body: Any) -> Refusal:
        """Of a creation that is refused."""
        try:
            made = await self.create(name, dry_run=dry_run, **body)
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"it was created: {made}")

    def reserved(self) -> dict[str, str]:
        """Names of those for whom addresses are reserved."""
        return {
            one["spec"]["address"]: one["spec"]["owner"]["name"] for one in self.records("Reserved")
        }

    async def step(self, seconds: float = 5.0) -> None:
        """machine-api-operator looks at everything a few times."""
        for _ in range(4):
            self.openshift.step()
            await self.world.pass_time(seconds / 4)


def play_admission(
    path: Path,
    story: Callable[[AdmissionLab], Awaitable[None]],
    text: str = STOCK,
    **settings: Any,
) -> None:
    """Run a story in virtual time; the controller runs from a second before its beginning."""

    async def whole() -> None:
        lab = AdmissionLab(path, text, **settings)
        late = late_hooks(lab.server)
        lab.start()
        await lab.world.pass_time(1.0)
        async with lived_through(lab.world):
            await story(lab)
            assert not late

    virtual_time.run(whole())
