"""The two processes of danm: what each has of its own, and how the API server is told to ask."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from helm import Helm, Object, named, pod_of
from value_sets import EVERYTHING, only

from moorage_danm.names import FINALIZER, FREED, RECLAIMED, WANTED
from moorage_danm.settings import DanmSettings
from moorage_danm.webhook.registration import PATH, validating_webhooks
from moorage_danm.webhook.settings import DanmWebhookSettings
from moorage_kube.manager.settings import environment_names

NAME, SERVICE = "moorage-danm", "moorage-danm-webhook"


def rendered(newest: Helm, **values: Any) -> list[Object]:
    return newest.render(only("danm", values))


def environment(objects: list[Object], name: str) -> dict[str, str]:
    pod = pod_of(named(objects, "Deployment")[name])
    assert pod
    return {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0]["env"]}


def rules(objects: list[Object], account: str) -> list[Object]:
    """All that a ServiceAccount may do, by the roles that are bound to it."""
    found = []
    for kind in ("Role", "ClusterRole"):
        roles = named(objects, kind)
        for binding in named(objects, f"{kind}Binding").values():
            if [one["name"] for one in binding["subjects"]] == [account]:
                found += roles[binding["roleRef"]["name"]]["rules"]
    return found


def test_both_run_the_same_program_with_another_word(newest: Helm) -> None:
    objects = rendered(newest)
    for name, word in ((NAME, "controller"), (SERVICE, "webhook")):
        pod = pod_of(named(objects, "Deployment")[name])
        assert pod
        (container,) = pod["spec"]["containers"]
        assert (container["command"], container["args"]) == (["moorage-danm"], [word])
        assert container["image"] == "moorage/danm:0.1.0"
        assert pod["spec"]["serviceAccountName"] == name


def test_each_gets_its_own_settings_and_none_of_the_other(newest: Helm) -> None:
    """A variable that a process does not know would keep it from starting."""
    objects = rendered(newest, config={"policy": "strict"}, webhook={"config": {"mode": "enforce"}})
    for name, settings in ((NAME, DanmSettings), (SERVICE, DanmWebhookSettings)):
        given = {key for key in environment(objects, name) if key.startswith("MOORAGE_")}
        fields = settings.model_fields.items()
        assert given <= {one for key, field in fields for one in environment_names(key, field)}
    assert environment(objects, NAME)["MOORAGE_POLICY"] == "strict"
    assert environment(objects, SERVICE)["MOORAGE_MODE"] == "enforce"
    assert environment(objects, SERVICE)["MOORAGE_WEBHOOK_NAME"] == SERVICE


def test_the_admission_service_may_read_and_no_more(newest: Helm) -> None:
    values = {"certificateSecret": "made"}
    for mode, more in (("advise", set()), ("enforce", set()), ("sync", {"patch"})):
        objects = rendered(newest, webhook={**values, "config": {"mode": mode}})
        verbs = {verb for rule in rules(objects, SERVICE) for verb in rule["verbs"]}
        assert verbs == {"list", "watch"} | more
        patched = [one["resources"] for one in rules(objects, SERVICE) if "patch" in one["verbs"]]
        assert all(one == ["danmeps"] for one in patched)
    own = json.dumps(rules(rendered(newest), SERVICE))
    assert "secrets" in own, "of its own certificate"
    assert "secrets" not in json.dumps(rules(rendered(newest), NAME))


def test_it_is_held_to_one_annotation_where_it_may_write(newest: Helm) -> None:
    objects = rendered(newest, webhook={"config": {"mode": "sync"}})
    policies = named(objects, "ValidatingAdmissionPolicy")
    policy = policies[f"moorage-system.{SERVICE}-endpoints"]
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"].endswith(f"system:serviceaccount:moorage-system:{SERVICE}'")
    assert WANTED in str(policy)
    off = rendered(newest, webhook={"config": {"mode": "sync"}}, policies={"enabled": False})
    assert named(off, "ValidatingAdmissionPolicy") == {}


def test_the_controller_is_held_to_what_it_frees(newest: Helm) -> None:
    policies = named(rendered(newest), "ValidatingAdmissionPolicy")
    policies.pop(f"moorage-system.{SERVICE}-names")  # of the admission service
    endings = ("networks", "endpoints", "removals", "names")
    names = {f"moorage-system.{NAME}-{one}" for one in endings}
    assert policies.keys() == names
    text = str(policies)
    for name in (FREED, RECLAIMED, FINALIZER):
        assert name in text
    for one in policies.values():
        (condition,) = one["spec"]["matchConditions"]
        assert condition["expression"].endswith(f"system:serviceaccount:moorage-system:{NAME}'")


@pytest.mark.parametrize("mode", ["off", "advise", "sync", "enforce"])
def test_the_api_server_asks_its_service(newest: Helm, mode: str) -> None:
    objects = rendered(newest, webhook={"config": {"mode": mode}})
    (configuration,) = named(objects, "ValidatingWebhookConfiguration").values()
    made = validating_webhooks("moorage-system", SERVICE, sync=mode == "sync")
    assert configuration["webhooks"] == made
    assert [one["failurePolicy"] for one in made] == ["Ignore", "Ignore"]
    assert {one["clientConfig"]["service"]["path"] for one in made} == {PATH}
    service = named(objects, "Service")[SERVICE]
    (port,) = service["spec"]["ports"]
    pod = pod_of(named(objects, "Deployment")[SERVICE])
    assert pod
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    ports = {one["name"]: one["containerPort"] for one in pod["spec"]["containers"][0]["ports"]}
    assert port["targetPort"] in ports
    ingress = named(objects, "NetworkPolicy")[SERVICE]["spec"]["ingress"]
    open_ports = [port["port"] for one in ingress for port in one["ports"]]
    assert ports["webhook"] in open_ports
    closed = named(objects, "NetworkPolicy")[NAME]["spec"]["ingress"]
    assert ports["webhook"] not in [port["port"] for one in closed for port in one["ports"]]


def test_a_certificate_of_somebody_else_is_mounted(newest: Helm) -> None:
    note = {"cert-manager.io/inject-ca-from": "moorage/webhook"}
    webhook = {"certificateSecret": "made", "caBundle": "-----PEM", "annotations": note}
    objects = rendered(newest, webhook=webhook)
    (configuration,) = named(objects, "ValidatingWebhookConfiguration").values()
    assert configuration["metadata"]["annotations"] == note
    for one in configuration["webhooks"]:
        assert base64.b64decode(one["clientConfig"]["caBundle"]).decode() == "-----PEM"
    pod = pod_of(named(objects, "Deployment")[SERVICE])
    assert pod
    (volume,) = pod["spec"]["volumes"]
    (mount,) = pod["spec"]["containers"][0]["volumeMounts"]
    assert (volume["secret"]["secretName"], volume["name"]) == ("made", mount["name"])
    place = environment(objects, SERVICE)["MOORAGE_WEBHOOK_CERTIFICATE"]
    assert place == f"{mount['mountPath']}/tls.crt"


def test_without_it_nothing_of_it_is_left(newest: Helm) -> None:
    objects = rendered(newest, webhook={"enabled": False})
    assert [one["metadata"]["name"] for one in objects if "webhook" in str(one)] == []


def test_what_the_part_says_is_said_of_both(newest: Helm) -> None:
    everything = EVERYTHING["danm"]
    both = [pod_of(one) for one in named(rendered(newest, **everything), "Deployment").values()]
    assert len(both) == 2
    for key in ("nodeSelector", "tolerations", "affinity", "imagePullSecrets", "securityContext"):
        assert len({json.dumps(pod["spec"][key], sort_keys=True) for pod in both if pod}) == 1
    own = {"webhook": {"priorityClassName": "high", "replicas": 3}, "priorityClassName": "low"}
    made = named(rendered(newest, **own), "Deployment")
    classes = {
        name: one["spec"]["template"]["spec"]["priorityClassName"] for name, one in made.items()
    }
    assert classes == {NAME: "low", SERVICE: "high"}
    assert made[SERVICE]["spec"]["replicas"] == 3


@pytest.mark.parametrize("key", ["nameOverride", "fullnameOverride"])
def test_another_name_is_told_apart_all_the_same(newest: Helm, key: str) -> None:
    objects = rendered(newest, **{key: "other"})
    names = [*named(objects, "Deployment")]
    assert len(names) == 2
    assert sum(name.endswith("-webhook") for name in names) == 1
