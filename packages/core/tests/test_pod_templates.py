"""What a pod template says of nodes is read from the workload as the API server sends it."""

from __future__ import annotations

from typing import Any

from core_builders import raw_owned

from moorage_core.caches import Caches
from moorage_core.model import Workload
from moorage_core.pod_templates import placement_of
from moorage_core.projections import OwnedView, project_workload
from moorage_domain.label_selectors import Operator, Requirement, Selector
from moorage_domain.scheduling import NodeTerm, PodPlacement, Toleration


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    inner = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": inner}}


def test_a_bare_template_tolerates_nothing_and_runs_everywhere() -> None:
    assert placement_of("Deployment", {"tolerations": None, "affinity": None}) == PodPlacement()


def test_tolerations_and_selector_are_read_without_our_own_labels() -> None:
    spec = {
        "tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "value": "1"}],
        "nodeSelector": {"ip.ready": "true", "moorage.dev/ip": "203-0-113-10", "disk": "ssd"},
    }
    assert placement_of("StatefulSet", spec) == PodPlacement(
        (Toleration("a", exists=True), Toleration("b", value="1")),
        Selector.of_labels({"disk": "ssd"}),
    )


def test_required_terms_are_read_and_what_is_not_understood_excludes_no_node() -> None:
    spec = required(
        {
            "matchExpressions": [
                {"key": "ip.ready", "operator": "In", "values": ["true"]},
                {"key": "cpus", "operator": "Gt", "values": ["4"]},
                {"key": "zone", "operator": "NotIn", "values": ["c"]},
            ]
        },
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
    )
    not_c = Selector((Requirement("zone", Operator.NOT_IN, frozenset({"c"})),))
    assert placement_of("Deployment", spec).terms == (
        NodeTerm(not_c),
        NodeTerm(Selector(), frozenset({"n1"})),
    )


def test_the_pods_of_a_daemon_set_tolerate_pressure() -> None:
    keys = [one.key for one in placement_of("DaemonSet", {}).tolerations]
    assert keys == [f"node.kubernetes.io/{what}-pressure" for what in ("disk", "memory", "pid")]


def test_a_workload_without_its_template_says_nothing() -> None:
    assert project_workload("Deployment", raw_owned("web", "u")) == OwnedView("u", "")


def test_the_caches_know_where_the_pods_of_a_workload_may_run() -> None:
    caches = Caches()
    web = Workload("Deployment", "default", "web")
    assert caches.pods_go(web) is None
    assert caches.pods_go(None) is None
    spec = {"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}}
    caches.workloads["Deployment"].apply(raw_owned("web", "u") | {"spec": spec})
    assert caches.pods_go(web) == PodPlacement((Toleration(exists=True),))
