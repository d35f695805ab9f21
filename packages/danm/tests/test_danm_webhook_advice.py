"""What the admission service says about a pod or a template: research/danm.md, §4.2 and §4.4."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from danm_admission_lab import AdmissionLab, play
from danm_admission_objects import (
    IP,
    NET,
    NS,
    Danm,
    Raw,
    asking,
    interface,
    owner,
    pod,
    review,
    workload,
)

from moorage_kube.client.kinds import NODES, PODS
from moorage_testing.apiserver import Fault

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
OLD = f"{NS}/web-1-old"


def said(question: Raw, arrange: Callable[[Danm], object], **settings: Any) -> list[str]:
    """The warnings to a question that is allowed."""
    found: list[str] = []

    async def story(lab: AdmissionLab) -> None:
        found.extend(await lab.warnings(question))
        assert lab.written == []

    play(story, arrange, **settings)
    return found


def answered(question: Raw, arrange: Callable[[Danm], object], **settings: Any) -> Raw:
    found: Raw = {}

    async def story(lab: AdmissionLab) -> None:
        found.update(await lab.ask(question))

    play(story, arrange, **settings)
    return found


@pytest.mark.parametrize(
    ("arrange", "warning"),
    [
        (
            lambda danm: danm.holder(),
            f"{IP}: in use by pod {OLD} on node n1; this one waits for it",
        ),
        (
            lambda danm: danm.holder(deletionTimestamp="2027-01-15T08:00:00Z"),
            f"{IP}: pod {OLD} on node n1 still ends; this one waits for it",
        ),
        (
            lambda danm: danm.holder("Unknown", "node.kubernetes.io/unreachable"),
            f"{IP}: pod {OLD} has it on node n1, which is unreachable; freed once safe",
        ),
        (
            lambda danm: danm.holder("False"),
            f"{IP}: pod {OLD} has it on node n1, not ready but perhaps alive; not freed",
        ),
        (
            lambda danm: danm.holder("Unknown", OUT_OF_SERVICE),
            f"{IP}: pod {OLD} has it on node n1, which is fenced; it will be freed",
        ),
        # A mark on a node that is ready proves nothing.
        (
            lambda danm: danm.holder("True", OUT_OF_SERVICE),
            f"{IP}: in use by pod {OLD} on node n1; this one waits for it",
        ),
        (
            lambda danm: (danm.holder(), danm.server.remove(NODES, "n1")),
            f"{IP}: pod {OLD} had it on node n1, which is gone; it will be freed",
        ),
        (
            lambda danm: (danm.holder(), danm.server.remove(PODS, "web-1-old", NS)),
            f"{IP}: left by pod {OLD} of node n1, which is gone; it will be freed",
        ),
        (
            lambda danm: (danm.network(), danm.pod("web-1-old", ""), danm.endpoint(Host="x9")),
            f"{IP}: pod {OLD} has it, on host x9 that no Node is known by; not freed",
        ),
    ],
)
def test_a_pod_is_told_who_has_its_address(arrange: Callable[[Danm], object], warning: str) -> None:
    assert said(review(pod()), arrange) == [warning]


def test_nothing_is_said_where_the_address_is_free() -> None:
    def arrange(danm: Danm) -> None:
        danm.network()
        danm.node()
        # All of these are no holders: other network, other address, none, empty, blanked, own.
        danm.endpoint("a", NetworkName="other")
        danm.endpoint("b", ip="10.0.0.6")
        danm.endpoint("c", Interface={"Address": "none", "AddressIPv6": "none"})
        danm.endpoint("d", Interface={})
        danm.endpoint("e", apiType="ClusterNetwork")
        danm.endpoint("own", PodUID="uid-own")

    assert said(review(pod(uid="uid-own")), arrange) == []


def test_adm_non_pod_kind() -> None:
    service = {
        "kind": "Service",
        "metadata": {"name": "s", "annotations": asking(interface())},
    }
    assert said(review(service), lambda danm: danm.holder()) == []


def test_adm_subresource() -> None:
    for subresource in ("status", "ephemeralcontainers", "resize"):
        question = review(pod(), subResource=subresource, operation="UPDATE")
        assert said(question, lambda danm: danm.holder(), mode="enforce") == []


NOT_JSON = review(pod(annotations={"danm.io/interfaces": "[{nope"}))


def test_adm_bad_annotation() -> None:
    (warning,) = said(NOT_JSON, lambda _: None)
    assert warning.startswith("DANM cannot read the annotation: it is not JSON")
    denied = answered(NOT_JSON, lambda _: None, mode="enforce")
    assert (denied["allowed"], denied["status"]["code"]) == (False, 422)
    assert "write a list of interfaces" in denied["status"]["message"]


def test_adm_warning_limits() -> None:
    def arrange(danm: Danm) -> None:
        danm.node("n1" + "n" * 60)
        danm.network()
        for number in range(50):
            name = f"holder-{number}-{'x' * 80}"
            danm.pod(name, "n1" + "n" * 60)
            danm.endpoint(name, ip=f"10.0.0.{number + 10}")

    wanted = [interface(f"10.0.0.{number + 10}") for number in range(50)]
    warnings = said(review(pod(*wanted)), arrange)
    assert 1 < len(warnings) <= 12
    assert max(map(len, warnings)) <= 120
    assert sum(map(len, warnings)) <= 4096
    assert warnings[-1] == "... and 40 more warnings about static addresses"


def test_adm_dry_run() -> None:
    async def story(lab: AdmissionLab) -> None:
        for mode_dry in (True, True):
            (warning,) = await lab.warnings(review(pod(), dryRun=mode_dry))
            assert "which is fenced" in warning
        await asyncio.sleep(60.0)
        assert lab.written == []
        assert lab.demanded() == {}

    play(story, lambda danm: danm.holder("Unknown", OUT_OF_SERVICE), mode="sync")


@pytest.mark.parametrize("settings", [{"admit_all": True}, {"mode": "off"}])
@pytest.mark.parametrize("mode", ["sync", "enforce"])
def test_adm_admit_all(settings: dict[str, Any], mode: str) -> None:
    """The first version freed the address all the same."""

    async def story(lab: AdmissionLab) -> None:
        for question in (review(pod()), NOT_JSON, review(workload("DaemonSet"))):
            assert await lab.ask(question) == {"uid": question["request"]["uid"], "allowed": True}
        await asyncio.sleep(60.0)
        assert lab.server.asked == [], "nothing is even read"

    play(story, lambda danm: danm.holder("Unknown", OUT_OF_SERVICE), **({"mode": mode} | settings))


def test_adm_namespace_from_request() -> None:
    """Of a ReplicaSet's pod the object's own namespace was blank before Kubernetes 1.24."""
    for namespace in (..., "", "elsewhere"):
        (warning,) = said(review(pod(namespace=namespace)), lambda danm: danm.holder())
        assert OLD in warning
    elsewhere = said(review(pod(), namespace="elsewhere"), lambda danm: danm.holder())
    assert elsewhere == [f"{IP}: there is no DanmNet elsewhere/{NET} yet"]


def test_adm_all_dynamic() -> None:
    """The first version failed on the last interface of most pods."""

    def arrange(danm: Danm) -> None:
        danm.holder()
        danm.endpoint("other", Interface={"Address": "dynamic", "AddressIPv6": "dynamic"})

    for wanted in (
        [interface("dynamic")],
        [interface("dynamic"), interface("dynamic", ip6="dynamic")],
        [interface("none"), interface("")],
        [{"network": NET}],
    ):
        assert said(review(pod(*wanted)), arrange) == []
    assert said(review(pod(annotations={"other": "x"})), arrange) == []
    assert said(review(pod(annotations=...)), arrange) == []


@pytest.mark.parametrize("slow", ["/pods", "/nodes", "/danmeps", "/danmnets"])
def test_adm_not_synced(slow: str) -> None:
    async def story(lab: AdmissionLab) -> None:
        (warning,) = await lab.warnings(review(pod()))
        assert warning.startswith("static DANM addresses were not looked at: no ")
        assert lab.metric("findings_total", finding="not_evaluated") == 1
        # Readiness asks every cache.
        unsynced = [one.name for one in lab.manager.informers if not one.store.synced]
        assert unsynced
        await asyncio.sleep(3600.0)
        (warning,) = await lab.warnings(review(pod()))
        assert "in use by pod" in warning

    def arrange(danm: Danm) -> None:
        danm.holder()
        danm.server.faults.append(Fault("GET", delay_seconds=20.0, path=slow))

    # A denial on the strength of what is not known would be the worst.
    play(story, arrange, mode="advise")


def test_adm_no_cross_talk() -> None:
    """The first version kept its verdict in a global: one dead node cost others their address."""

    async def story(lab: AdmissionLab) -> None:
        questions = [review(pod(interface(f"10.0.0.{10 + number % 40}"))) for number in range(500)]
        answers = await asyncio.gather(*map(lab.ask, questions))
        await asyncio.sleep(5.0)
        for number, response in enumerate(answers):
            dead = number % 40 % 2
            (warning,) = response["warnings"]
            assert f"holder-{number % 40} " in warning
            assert ("which is gone" in warning) == bool(dead)
        demanded = {name.split("-")[1] for name in lab.demanded()}
        assert demanded == {str(number) for number in range(1, 40, 2)}

    def arrange(danm: Danm) -> None:
        danm.network()
        danm.node("alive")
        for number in range(40):
            name = f"holder-{number}"
            danm.pod(name, "dead" if number % 2 else "alive")
            danm.endpoint(name, ip=f"10.0.0.{10 + number}")

    play(story, arrange, mode="sync", sync_seconds=0.1)


class TestEnforce:
    """What may be refused, and nothing else."""

    def test_an_address_that_a_pod_of_another_owner_runs_with(self) -> None:
        other = pod(**owner("other", "1"))
        denied = answered(review(other), lambda danm: danm.holder(), mode="enforce")
        status = denied["status"]
        assert (denied["allowed"], status["code"], status["reason"]) == (False, 409, "Conflict")
        for named in (f"pod {OLD}", "node n1", f"DanmEp {NS}/web-1-old-net", IP):
            assert named in status["message"]

    def test_the_same_workload_waits_for_its_predecessor(self) -> None:
        """Another revision of a Deployment is another ReplicaSet."""
        (warning,) = said(review(pod()), lambda danm: danm.holder(), mode="enforce")
        assert "this one waits for it" in warning

    @pytest.mark.parametrize(
        "arrange",
        [
            lambda danm: danm.holder(deletionTimestamp="2027-01-15T08:00:00Z"),
            lambda danm: danm.holder("False"),
            lambda danm: danm.holder("Unknown"),
            lambda danm: (danm.holder(), danm.server.remove(NODES, "n1")),
            lambda danm: (danm.holder(), danm.server.remove(PODS, "web-1-old", NS)),
            lambda danm: danm.network(cluster=True),
            lambda _: None,
        ],
    )
    def test_whatever_is_not_sure_is_no_reason(self, arrange: Callable[[Danm], object]) -> None:
        question = review(pod(**owner("other", "1")))
        assert answered(question, arrange, mode="enforce")["allowed"]

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            (interface("10.0.1.5"), "10.0.1.5 is not in 10.0.0.0/24 of DanmNet shop/net"),
            (interface("Dynamic"), '"Dynamic" is no IPv4 address'),
            (interface("10.0.0.300"), '"10.0.0.300" is no IPv4 address'),
            (interface("2001:db8::5"), '"2001:db8::5" is no IPv4 address'),
            (interface(ip6="10.0.0.5"), '"10.0.0.5" is no IPv6 address'),
            ({"ip": IP}, "names no network"),
            (interface(tenantNetwork="x"), "names more than one network"),
            (interface(mac="x"), "'mac', which DANM does not know"),
        ],
    )
    def test_what_danm_refuses_for_sure(self, wanted: Raw, message: str) -> None:
        denied = answered(review(pod(wanted)), lambda danm: danm.network(), mode="enforce")
        assert (denied["allowed"], denied["status"]["code"]) == (False, 422)
        assert message in denied["status"]["message"]

    def test_one_address_for_two_interfaces(self) -> None:
        twice = review(pod(interface(), interface()))
        denied = answered(twice, lambda danm: danm.network(), mode="enforce")
        assert "asked for by two interfaces" in denied["status"]["message"]

    @pytest.mark.parametrize(
        "fine",
        [
            interface("10.0.0.5/16"),
            interface("::ffff:10.0.0.5"),
            {"Network": NET, "IP": IP, "proutes": {"a": "b"}},
            # Bits for IPv6 are kept of a part of the network only.
            {"network": NET, "ip6": "2001:db8:9::5"},
        ],
    )
    def test_what_danm_takes(self, fine: Raw) -> None:
        pool6 = {"cidr": "2001:db8::/120"}

        def arrange(danm: Danm) -> None:
            danm.network(net6="2001:db8::/32", allocation_pool_v6=pool6)

        assert answered(review(pod(fine)), arrange, mode="enforce")["allowed"]


class TestTemplates:
    """Workloads, as people write them."""

    def test_a_template_is_told_at_once(self) -> None:
        question = review(workload("Deployment", replicas=2, strategy={"type": "Recreate"}))
        assert said(question, lambda danm: danm.holder()) == [
            f"spec.replicas is 2, and only one pod can have {IP}: set it to 1"
        ]

    @pytest.mark.parametrize("kind", ["DaemonSet", "CronJob"])
    def test_every_kind_of_workload_is_looked_at(self, kind: str) -> None:
        (warning,) = said(review(workload(kind)), lambda danm: danm.network())
        assert IP in warning

    def test_tmpl_pool_overlap_warn(self) -> None:
        question = workload("StatefulSet", interface("10.0.0.200"))
        (warning,) = said(review(question), lambda danm: danm.network())
        assert warning == (
            "10.0.0.200 is in the range from which DanmNet shop/net serves any pod: it may be taken"
        )

    def test_templates_without_static_addresses_are_nobodys_business(self) -> None:
        dynamic = workload("DaemonSet", interface("dynamic"), updateStrategy={})
        assert said(review(dynamic), lambda danm: danm.network()) == []

    def test_only_a_new_spec_is_looked_at(self) -> None:
        raw = workload("DaemonSet")
        same = review(raw, operation="UPDATE", oldObject=raw | {"metadata": {"name": "x"}})
        assert said(same, lambda danm: danm.network()) == []
        before = raw | {"spec": {}}
        changed = review(raw, operation="UPDATE", oldObject=before)
        assert len(said(changed, lambda danm: danm.network())) == 1

    def test_what_a_workload_makes_is_not_told_again(self) -> None:
        made = workload("ReplicaSet", replicas=2)
        made["metadata"]["ownerReferences"] = [{"kind": "Deployment", "controller": True}]
        assert said(review(made), lambda danm: danm.network()) == []

    def test_a_template_is_never_refused(self) -> None:
        """Its pods may never come, or the network may be changed first."""
        for wanted in (interface("10.0.1.5"), interface("Dynamic"), interface()):
            question = review(workload("DaemonSet", wanted))
            response = answered(question, lambda danm: danm.holder(), mode="enforce")
            assert response["allowed"]
            assert response["warnings"]


def test_both_annotations_at_once_are_ambiguous() -> None:
    both = asking(interface()) | asking(interface("10.0.0.6"), key="danm.io/interfaces")
    first, *rest = said(review(pod(annotations=both)), lambda danm: danm.holder())
    assert first == "DANM reads only one of danm.io/interfaces and danm.k8s.io/interfaces: keep one"
    assert len(rest) == 1


def test_an_address_that_leaked_is_told() -> None:
    """Its bit is set, and no endpoint has it: a replacement waits until the audit frees it."""
    leaked = "hA" + "A" * 40 + "E="
    assert said(review(pod()), lambda danm: danm.network(alloc=leaked)) == [
        f"{IP}: DanmNet {NS}/{NET} says it is in use, and no endpoint has it"
    ]
