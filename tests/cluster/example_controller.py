"""An example controller: ConfigMaps carry as a label what their Namespace has as an annotation."""

import sys
from dataclasses import dataclass
from typing import ClassVar

from prometheus_client import Gauge

from moorage_domain.plans import Plan, first_match
from moorage_domain.rbac import MANAGER_RULES, PolicyRule
from moorage_kube.cache.store import Change, Store
from moorage_kube.client.client import ListQuery, Target
from moorage_kube.client.kinds import CONFIGMAPS, NAMESPACES
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import ElectedSettings, load
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue

BERTH = "example.moorage.dev/berth"
RULES = (
    *MANAGER_RULES,
    PolicyRule("", ("namespaces",), ("list", "watch"), "read the annotation"),
    PolicyRule("", ("configmaps",), ("list", "watch", "patch"), "keep the label in step"),
)


class ExampleSettings(ElectedSettings):
    prog: ClassVar[str] = "moorage-example"


@dataclass(frozen=True, slots=True)
class Observed:
    """One ConfigMap; ``""`` is a label or an annotation that is not there."""

    key: str
    label: str
    wanted: str


@dataclass(frozen=True, slots=True)
class SetLabel:
    value: str


def rest_when_in_step(seen: Observed) -> Plan[SetLabel] | None:
    return Plan("InStep", "in step") if seen.label == seen.wanted else None


def follow_the_namespace(seen: Observed) -> Plan[SetLabel]:
    return Plan("Following", f"becomes {seen.wanted!r}", (SetLabel(seen.wanted),))


class Example:
    def __init__(self, manager: Manager) -> None:
        self.client, self.queue = manager.client, WorkQueue()
        self.labels = Store(lambda raw: str((raw["metadata"].get("labels") or {}).get(BERTH, "")))
        self.berths = Store(lambda raw: str(raw["metadata"].get("annotations", {}).get(BERTH, "")))
        self.labels.subscribe(lambda change: self.queue.add(change.key))
        self.berths.subscribe(self.namespace_changed)

    def namespace_changed(self, change: Change[str]) -> None:
        for key in self.labels.keys():  # noqa: SIM118 - a store is no dict
            if key.startswith(f"{change.key}/"):
                self.queue.add(key)

    async def observe(self, key: str) -> Observed | None:
        label, wanted = self.labels.get(key), self.berths.get(key.partition("/")[0])
        return None if label is None or wanted is None else Observed(key, label, wanted)

    def decide(self, seen: Observed) -> Plan[SetLabel]:
        return first_match((rest_when_in_step, follow_the_namespace), seen)

    async def act(self, seen: Observed, action: SetLabel) -> None:
        namespace, _, name = seen.key.partition("/")
        body = {"metadata": {"labels": {BERTH: action.value or None}}}
        self.labels.update_known(await self.client.patch(CONFIGMAPS, Target(name, namespace), body))

    async def report(self, ended: Pass[Observed, SetLabel]) -> None:
        """The log line that the loop writes is all there is to tell."""


def setup(manager: Manager) -> None:
    example = Example(manager)
    labelled = Gauge("moorage_example_labelled", "Labelled.", registry=manager.registry)
    labelled.set_function(lambda: sum(map(bool, example.labels.values())))
    manager.informer(CONFIGMAPS, example.labels, ListQuery(metadata_only=True))
    manager.informer(NAMESPACES, example.berths, written_by_people=True)
    manager.add_controller("example", example, example.queue)


if __name__ == "__main__":
    sys.exit(run(load(ExampleSettings), setup))
