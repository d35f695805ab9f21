"""An example controller: a ConfigCopy keeps a ConfigMap of its own name equal to another one."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from prometheus_client import Gauge
from pydantic import Field

from moorage_api.conditions import ConditionsStatus
from moorage_api.crds import Definition
from moorage_api.wire import FIXED, Wire
from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Denied
from moorage_domain.kinds import Kind
from moorage_domain.owners import controller_uid
from moorage_domain.plans import Finalizer, PlainStatus, Plan
from moorage_domain.rbac import MANAGER_RULES, WEBHOOK_CERTIFICATE_RULES, PolicyRule
from moorage_domain.subject import Subject
from moorage_kube.cache.store import Index, Store
from moorage_kube.client.client import Target
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import ElectedSettings, load
from moorage_kube.manager.webhooks import WebhookSettings, serve_webhooks
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.reconcile.reason_events import reason_event
from moorage_kube.webhook.webhook import Webhook
from moorage_kube.writes.children import ChildWriter
from moorage_kube.writes.subjects import Subjects


class CopySpec(Wire):
    source: str = Field(max_length=253, description="ConfigMap to copy.", json_schema_extra=FIXED)


class ExampleSettings(ElectedSettings, WebhookSettings):
    prog: ClassVar[str] = "moorage-example"


COPIES = Kind("example.moorage.dev", "v1", "configcopies", "ConfigCopy", namespaced=True)
LABEL = "copied.example.moorage.dev/"  # on a source, followed by the uid of its copy
DEFINITION = Definition(COPIES, "A copy of a ConfigMap.", CopySpec, ConditionsStatus)
FINALIZER = "example.moorage.dev/label"
Action = Literal["label the source", "write the copy", "take the label off the source"]
RULES = (
    *(*MANAGER_RULES, *WEBHOOK_CERTIFICATE_RULES),
    PolicyRule(COPIES.group, ("configcopies",), ("list", "watch", "patch"), "keep the finalizer"),
    PolicyRule(COPIES.group, ("configcopies/status",), ("patch",), "say what came of it"),
    PolicyRule("", ("configmaps",), ("get", "list", "watch", "create", "patch"), "copy, label"),
)


@dataclass(frozen=True, slots=True)
class Copy:
    source: str
    subject: Subject

    @property
    def source_key(self) -> str:
        return f"{self.subject.namespace}/{self.source}"


@dataclass(frozen=True, slots=True)
class Map:
    uid: str
    owner: str  # the uid of its controller
    copies: frozenset[str]  # the uids in its labels
    content: int


@dataclass(frozen=True, slots=True)
class Observed:
    copy: Copy
    source: Map | None
    child: Map | None


def planned(reason: str, message: str, *actions: Action) -> Plan[Action]:
    status = PlainStatus.ready(reason, message, ready=reason == "Copied")
    return Plan(reason, message, actions, status=status, finalizer=Finalizer.PRESENT)


def admit(request: AdmissionRequest, copies: Store[Copy]) -> Decision:
    source = f"{request.namespace}/{(request.object or {})['spec']['source']}"
    if source in copies:
        return Denied(f"{source} is a copy itself: copy what it copies", 422, "Invalid")
    return Allowed()


class ConfigCopies:
    def __init__(self, manager: Manager) -> None:
        self.client, self.events, self.queue = manager.client, manager.events, WorkQueue()
        self.copies = Store(lambda raw: Copy(raw["spec"]["source"], Subject.of(raw)))
        self.maps = Store(map_of)
        self.by_source = Index(self.copies, lambda copy: (copy.source_key,))
        self.children = ChildWriter(manager.client, COPIES, CONFIGMAPS, self.maps)
        self.copies.subscribe(lambda change: self.queue.add(change.key))
        self.maps.subscribe(lambda one: self.queue.add(one.key, *self.by_source.get(one.key)))

    async def observe(self, key: str) -> Observed | None:
        copy = self.copies.get(key)
        return Observed(copy, self.maps.get(copy.source_key), self.maps.get(key)) if copy else None

    def decide(self, observed: Observed) -> Plan[Action]:
        me, source, child = observed.copy.subject, observed.source, observed.child
        if me.deleting:
            undo: tuple[Action, ...] = ("take the label off the source",) if source else ()
            return Plan("Deleting", "the source is let go", undo, finalizer=Finalizer.ABSENT)
        if source is None:
            return planned("SourceMissing", f"there is no ConfigMap {observed.copy.source}")
        if child is not None and child.owner != me.uid:
            return planned("NameTaken", "there is another ConfigMap of this name")
        if me.uid not in source.copies or child is None or child.content != source.content:
            return planned("Copying", "the copy is behind", "label the source", "write the copy")
        return planned("Copied", "the copy is equal")

    async def act(self, observed: Observed, action: Action) -> None:
        me, source = observed.copy.subject, observed.copy.source
        if action == "write the copy":
            data = (await self.client.get(CONFIGMAPS, source, me.namespace)).get("data") or {}
            return await self.children.write(me, observed.child, {"data": data})
        value = "true" if action == "label the source" else None
        change = {"metadata": {"labels": {LABEL + me.uid: value}}}
        answer = await self.client.patch(CONFIGMAPS, Target(source, me.namespace), change)
        return self.maps.update_known(answer)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        if event := reason_event(COPIES, ended):
            await self.events.publish(event)


def map_of(raw: dict[str, Any]) -> Map:
    meta, data = raw["metadata"], raw.get("data") or {}
    copies = (key.removeprefix(LABEL) for key in meta.get("labels") or () if key.startswith(LABEL))
    return Map(meta["uid"], controller_uid(raw), frozenset(copies), hash(frozenset(data.items())))


def setup(manager: Manager) -> None:
    logic = ConfigCopies(manager)
    count = Gauge("moorage_copies_objects", "ConfigCopies.", registry=manager.registry)
    count.set_function(lambda: len(logic.copies))
    manager.informer(COPIES, logic.copies, written_by_people=True)
    manager.informer(CONFIGMAPS, logic.maps)
    manager.add_controller("copies", logic, logic.queue, Subjects(COPIES, logic.copies, FINALIZER))
    serve_webhooks(manager, Webhook("/validate", lambda asked: admit(asked, logic.copies)))


if __name__ == "__main__":
    raise SystemExit(run(load(ExampleSettings), setup))
