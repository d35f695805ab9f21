"""The real API server calls the admission service of danm, as the chart registers it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from lab_danm_admission import (
    API_SERVER,
    IP,
    NAME,
    SERVICE,
    AdmissionLab,
    Callers,
    Raw,
    admission,
    cluster_that_shows_a_certificate,
)
from lab_pages import answer, refused_requests, unused
from lab_policies import Refusal, api_of, refusal_of

from moorage_danm.names import FINALIZER, FREED, RECLAIMED, WANTED
from moorage_danm.webhook.rbac import CERTIFICATE_RULES, DEMAND_RULES, RULES
from moorage_testing.waiting import PATIENCE, wait_for

IN_USE = f"{IP}: in use by pod "


@pytest.fixture(scope="module")
def callers() -> Iterator[Callers]:
    with cluster_that_shows_a_certificate() as found:
        yield found


def wait_called(lab: AdmissionLab) -> None:
    """The registration takes a moment, and so does the certificate in it."""
    wait_for(lambda: lab.pod(dry_run=True).warnings, PATIENCE, "the service to be called")


def test_pods_are_told_and_only_those_that_ask(callers: Callers, host: str) -> None:
    with admission(callers, host) as lab:
        lab.holder(node="n1")
        lab.start()
        wait_called(lab)
        made = lab.pod()
        warning = f"{IN_USE}{lab.shop}/old on node n1; this one waits for it"
        assert (made.status, made.warnings) == (201, (warning,))
        # matchConditions: no annotation of DANM. namespaceSelector: kube-system and its own.
        before = lab.settled_answers()
        assert lab.pod(asks=False).status == 201
        for place in ("kube-system", lab.namespace):
            there = lab.pod(place=place, dry_run=True)
            assert (there.status, there.warnings) == (201, ())
        assert lab.settled_answers() == before
        other = lab.pod("10.0.0.6")
        assert (other.status, other.warnings) == (201, ())
        assert lab.settled_answers() == before + 1


def test_templates_are_told_as_they_are_written(callers: Callers, host: str) -> None:
    with admission(callers, host) as lab:
        lab.holder(node="n1")
        lab.start()
        wait_called(lab)
        recreate = {"type": "Recreate"}
        assert lab.deployment(replicas=1, strategy=recreate).warnings == ()
        (warning,) = lab.deployment(replicas=3, strategy=recreate).warnings
        assert warning == f"spec.replicas is 3, and only one pod can have {IP}: set it to 1"
        # With what the API server fills in.
        (warning,) = lab.deployment(replicas=1).warnings
        assert "use Recreate" in warning


def test_a_dry_run_is_answered_and_writes_nothing(callers: Callers, host: str) -> None:
    with admission(callers, host, "sync", "--sync-seconds", "0.5") as lab:
        lab.holder()
        lab.start()
        wait_called(lab)
        tried = lab.pod(dry_run=True)
        assert tried.status == 201
        assert "it will be freed" in tried.warnings[0]
        assert not lab.demanded()
        assert lab.pod().status == 201
        wait_for(lab.demanded, PATIENCE, "the address to be asked for")


def test_a_pod_is_refused_only_in_mode_enforce(callers: Callers, host: str) -> None:
    with admission(callers, host, "enforce") as lab:
        lab.holder(node="n1")
        lab.start()
        wait_for(lambda: lab.pod(dry_run=True).status == 409, PATIENCE, "the service to be called")
        refused = lab.pod()
        assert (refused.status, refused.body["reason"]) == (409, "Conflict")
        assert f"pod {lab.shop}/old runs with it on node n1" in refused.message
        assert f"DanmEp {lab.shop}/ep" in refused.message
        wrong = lab.pod("10.9.9.9")
        assert (wrong.status, wrong.body["reason"]) == (422, "Invalid")
        assert lab.pod("10.0.0.6").status == 201


@pytest.mark.parametrize(
    ("flags", "decision"),
    [
        (("--client-auth",), "denied"),
        (("--clientAuth=true", "--client-names", API_SERVER), "denied"),
        (("--client-auth", "--client-names", "somebody-else"), "refused"),
    ],
)
def test_the_api_server_shows_its_certificate(
    callers: Callers, host: str, flags: tuple[str, ...], decision: str
) -> None:
    """Whoever may not call gets no answer, and the pod goes on as if nobody had been asked."""
    more = (*flags, "--clientCAFile", str(callers.authority))
    with admission(callers, host, "enforce", *more) as lab:
        lab.holder(node="n1")
        lab.start()
        status = 409 if decision == "denied" else 201

        def is_called() -> bool:
            return lab.pod(dry_run=True).status == status and lab.answers(decision) > 0

        wait_for(is_called, PATIENCE, "the API server to call")
        assert lab.pod().status == status
        other = {"denied", "refused"} - {decision}
        assert [lab.answers(one) for one in other] == [0]


def test_without_the_service_pods_are_created_all_the_same(callers: Callers, host: str) -> None:
    with admission(callers, host, "enforce") as lab:
        lab.holder(node="n1")
        child = lab.start()
        wait_for(lambda: lab.pod(dry_run=True).status == 409, PATIENCE, "the service to be called")
        assert child.stop() == 0, child.log_tail()
        assert lab.pod().status == 201


def test_rights_are_enough_and_every_one_is_used(callers: Callers, host: str) -> None:
    rules = (*RULES, *DEMAND_RULES, *CERTIFICATE_RULES)
    with admission(callers, host, "sync", "--sync-seconds", "0.5") as lab:
        lab.holder()
        child = lab.start()
        wait_called(lab)
        lab.pod()
        wait_for(lab.demanded, PATIENCE, "the address to be asked for")
        left = unused(rules, child) - {
            # A Secret that is there already is changed only when it is renewed.
            ("secrets", "update"),
            # The chart registers no MutatingWebhookConfiguration; whether there is one is asked.
            ("mutatingwebhookconfigurations", "patch"),
        }
        assert {one for one in left if one[1] != "watch"} == set()
        assert refused_requests(child) == []
        assert "moorage_danm_webhook_findings_total" in answer(child, "/metrics")[1]


def test_a_policy_holds_it_to_one_annotation(callers: Callers, host: str) -> None:
    with admission(callers, host, "sync") as lab:
        lab.holder()
        patched = patches_of(lab, SERVICE, lab.endpoint_path)
        wait_for(lambda: patched(**abuse()), PATIENCE, "the policy to be in force")
        assert patched(metadata={"annotations": {WANTED: "2027-01-01T00:00:00Z"}}) == ""
        for change in (
            {"metadata": {"annotations": {"other": "x"}}},
            {"metadata": {"labels": {"a": "b"}}},
            {"metadata": {"finalizers": ["moorage.dev/danm-reclaim"]}},
            {"spec": {"Interface": {"Address": ""}}},
        ):
            assert "moorage-danm may only" in patched(**change)
        lab.cluster.request(
            "PATCH", lab.endpoint_path, {"metadata": {"annotations": {"kept": "x"}}}
        )
        assert "moorage-danm may only" in patched(metadata={"annotations": {"kept": None}})


def test_policies_hold_the_controller_to_addresses(callers: Callers, host: str) -> None:
    with admission(callers, host) as lab:
        lab.holder()
        endpoint = patches_of(lab, NAME, lab.endpoint_path)
        network = patches_of(lab, NAME, lab.network_path)
        asked = asked_by(lab, NAME)
        wait_for(lambda: endpoint(**abuse()), PATIENCE, "one policy to be in force")
        wait_for(lambda: network(**abuse()), PATIENCE, "another one, too")
        # Tried only: else the endpoint would be gone where the policy is late.
        tried = f"{lab.endpoint_path}?dryRun=All"
        wait_for(lambda: asked("DELETE", tried), PATIENCE, "the third one")
        only = "moorage-danm may only"
        of_endpoints: tuple[Raw, ...] = (
            {"spec": {"Interface": {"Address": "10.0.0.9/24"}}},
            {"spec": {"Interface": {"Name": "eth9"}}},
            {"spec": {"Pod": "another"}},
            {"metadata": {"labels": {"a": "b"}}},
            {"metadata": {"annotations": {"other": "x"}}},
            {"metadata": {"finalizers": ["example.com/other"]}},
        )
        of_networks: tuple[Raw, ...] = (
            {"spec": {"Options": {"cidr": "10.0.0.0/8"}}},
            {"spec": {"Options": {"routes": {"0.0.0.0/0": "10.0.0.1"}}}},
            {"spec": {"NetworkID": "other"}},
            {"metadata": {"annotations": {"other": "x"}}},
        )
        assert [one for one in of_endpoints if only not in endpoint(**one)] == []
        assert [one for one in of_networks if only not in network(**one)] == []
        # All that it does, in its order.
        taken = {"metadata": {"annotations": {RECLAIMED: "{}"}, "finalizers": [FINALIZER]}}
        assert endpoint(**taken, spec={"Interface": {"Address": ""}}) == ""
        bits = {"spec": {"Options": {"alloc": "gA=="}}, "metadata": {"annotations": {FREED: "uid"}}}
        assert network(**bits) == ""
        assert endpoint(metadata={"finalizers": None}) == ""
        assert asked("DELETE", lab.endpoint_path) == ""


def abuse() -> Raw:
    """Another one each time: what was once let through would be no change, which is allowed."""
    return {"metadata": {"labels": {"tried": secrets.token_hex(4)}}}


def asked_by(lab: AdmissionLab, account: str) -> Refusal:
    token = lab.cluster.service_account_token(f"{lab.namespace}/{account}")
    return refusal_of(api_of(lab.cluster, token))


def patches_of(lab: AdmissionLab, account: str, path: str) -> Callable[..., str]:
    """What is said to an account that patches an object; empty where it is allowed."""
    asked = asked_by(lab, account)
    return lambda **change: asked("PATCH", path, change)
