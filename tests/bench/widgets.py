"""A controller that does little, for benchmarks of the framework: a widget has one child.

Each widget gets a finalizer, a ConfigMap of its own, and two status writes: on the way, and there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from moorage_api.crds import Definition, crd
from moorage_api.wire import Wire
from moorage_domain.conditions import Condition
from moorage_domain.kinds import Kind
from moorage_domain.owners import controller_uid
from moorage_domain.plans import Finalizer, PlainStatus, Plan
from moorage_domain.subject import Subject
from moorage_kube.cache.store import Change, Index, Store
from moorage_kube.client.client import ListQuery
from moorage_kube.client.kinds import CONFIGMAPS, NODES
from moorage_kube.manager.manager import Manager
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.writes.subjects import Subjects

NAMESPACE = "bench"
WIDGETS = Kind("bench.moorage.dev", "v1", "widgets", "Widget", namespaced=True)
FINALIZER = "bench.moorage.dev/child"
WAY = Condition("Ready", "False", "Creating", "the child is created")
THERE = Condition("Ready", "True", "Created", "the child is there")


class WidgetSpec(Wire):
    node: str = Field(max_length=63, description="Node that the widget is for.")


class WidgetStatus(Wire):
    observed_generation: int | None = Field(default=None, description="Generation answered.")
    conditions: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Conditions.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget as it is kept."""

    node: str
    subject: Subject


@dataclass(frozen=True, slots=True)
class Child:
    """A ConfigMap as it is kept: the uid of the widget that owns it."""

    owner: str


@dataclass(frozen=True, slots=True)
class Observed:
    widget: Widget
    has_child: bool
    node_ready: bool


@dataclass(frozen=True, slots=True)
class CreateChild:
    name: str

    def __str__(self) -> str:
        return f"create the child of {self.name}"


class Widgets:
    """The stores, the index and the logic."""

    def __init__(self, manager: Manager) -> None:
        self._client = manager.client
        self.queue = WorkQueue()
        self.widgets: Store[Widget] = Store(_widget)
        self.children: Store[Child] = Store(_child)
        self.nodes: Store[bool] = Store(_ready)
        self.by_node: Index[Widget] = Index(self.widgets, lambda widget: (widget.node,))
        self.by_owner: Index[Child] = Index(self.children, lambda child: (child.owner,))
        self.passes = 0
        self.widgets.subscribe(lambda change: self.queue.add(change.key))
        self.children.subscribe(self._child_changed)
        self.nodes.subscribe(self._node_changed)

    def _child_changed(self, change: Change[Child]) -> None:
        self.queue.add(change.key)  # a child has the name of its widget

    def _node_changed(self, change: Change[bool]) -> None:
        for key in self.by_node.get(change.key):
            self.queue.add(key)

    async def observe(self, key: str) -> Observed | None:
        widget = self.widgets.get(key)
        if widget is None:
            return None
        has_child = bool(self.by_owner.get(widget.subject.uid))
        return Observed(widget, has_child, self.nodes.get(widget.node) or False)

    def decide(self, observed: Observed) -> Plan[CreateChild]:
        condition = THERE if observed.has_child else WAY
        create = CreateChild(observed.widget.subject.name)
        return Plan(
            condition.reason,
            condition.message,
            () if observed.has_child else (create,),
            status=PlainStatus((condition,)),
            finalizer=Finalizer.PRESENT,
        )

    async def act(self, observed: Observed, action: CreateChild) -> None:
        body = child_of(action.name, observed.widget.subject.uid)
        self.children.take_created(await self._client.create(CONFIGMAPS, body, NAMESPACE))

    async def report(self, ended: Pass[Observed, CreateChild]) -> None:
        self.passes += ended.failure is None


def setup(manager: Manager) -> Widgets:
    """Add the controller to a manager."""
    widgets = Widgets(manager)
    manager.informer(WIDGETS, widgets.widgets, ListQuery(namespace=NAMESPACE))
    manager.informer(
        CONFIGMAPS, widgets.children, ListQuery(namespace=NAMESPACE, metadata_only=True)
    )
    manager.informer(NODES, widgets.nodes)
    manager.add_controller(
        "widgets", widgets, widgets.queue, Subjects(WIDGETS, widgets.widgets, FINALIZER)
    )
    return widgets


def manifest() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    return crd(Definition(WIDGETS, "A widget.", WidgetSpec, WidgetStatus))


def widget(name: str, node: str) -> dict[str, Any]:
    """A widget as it is created."""
    return {
        "apiVersion": WIDGETS.api_version,
        "kind": WIDGETS.name,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"node": node},
    }


def child_of(name: str, uid: str) -> dict[str, Any]:
    """The ConfigMap of a widget."""
    owner = {
        "apiVersion": WIDGETS.api_version, "kind": WIDGETS.name, "name": name, "uid": uid,
        "controller": True,
    }  # fmt: skip
    meta = {"name": name, "namespace": NAMESPACE, "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"widget": name}}


def _widget(raw: dict[str, Any]) -> Widget:
    return Widget(raw["spec"]["node"], Subject.of(raw))


def _child(raw: dict[str, Any]) -> Child | None:
    owner = controller_uid(raw)
    return Child(owner) if owner else None


def _ready(raw: dict[str, Any]) -> bool:
    conditions = raw.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
