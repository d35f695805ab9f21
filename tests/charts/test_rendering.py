"""What is rendered depends on the values alone, is valid under any name, and is safe."""

from __future__ import annotations

import base64
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, Helm, HelmError, Object, named, pod_of, the
from value_sets import (
    AGENT,
    CLEANED_UP,
    ELECTED,
    EVERYTHING,
    LONG,
    PARTS,
    SETS,
    WITH_KINDS,
    only,
    replicas_of,
)

from moorage_core.decide.node_labels import IP_LABEL, OWNER_ANNOTATION, READY_LABEL
from moorage_core.settings import SETTLED_TAINTS
from moorage_endpoints.nads import names as nads
from moorage_machine_ipam.machine.hook_config import parse_hook_config

HOOK_CONFIG = {"ip-range-cidr": "192.168.101.64/28", "prefix": 23}
EXTERNAL = ("ipclaimpools", "ipclaims", "ipnodes")
CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
}
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
TEMPLATES = [path for path in CHART.rglob("templates/**/*") if path.is_file()]
# Later renderings would differ from the first, or from what `helm template` shows.
IMPURE = re.compile(
    r"\b(lookup|rand\w+|gen\w+|now|date\w*|uuidv4|derivePassword|htpasswd|bcrypt)\b"
    r"|APIVersions|Release\.(Revision|IsInstall|IsUpgrade)"
)


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_the_same_values_give_the_same_bytes(helm: Helm, values: dict[str, Any]) -> None:
    assert helm.text(values) == helm.rendered(values)


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_lint_finds_nothing(helm: Helm, values: dict[str, Any]) -> None:
    said = helm.run("lint", "--strict", "--kube-version", "1.36.3", str(CHART), values=values)
    assert "0 chart(s) failed" in said
    assert "[WARNING]" not in said


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_small_and_asks_nothing_but_the_values(path: Path) -> None:
    text = re.sub(r"\{\{-? ?/\*.*?\*/ ?-?\}\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    actions = re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL)
    assert [one for one in actions if IMPURE.search(one)] == []
    generated = path.parts[-3] == "crds"
    assert generated or len(text.splitlines()) <= 60


@pytest.mark.parametrize("version", ["1.30.0", "1.31.2-gke.100", "1.32.1-eks-1de2ab1"])
def test_versions_of_vendors_pass(helm: Helm, version: str) -> None:
    for chart in (CHART / "Chart.yaml", *CHART.glob("charts/*/Chart.yaml")):
        wanted = yaml.safe_load(chart.read_text("utf-8")).get("kubeVersion")
        assert wanted in (None, ">=1.30.0-0")
    arguments = ("template", "moorage", str(CHART), "--kube-version", version)
    assert "kind: Deployment" in helm.run(*arguments)


def test_an_old_version_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"1\.29"):
        helm.run("template", "moorage", str(CHART), "--kube-version", "1.29.9")


@pytest.mark.parametrize("release", ["a", "moorage", "x.y", LONG, "a." + LONG[2:]])
@pytest.mark.parametrize("name", ["all-on", "names", "names-of-all"])
def test_every_name_and_label_is_valid(helm: Helm, release: str, name: str) -> None:
    objects = helm.render(SETS[name], release=release)
    for one in objects:
        # A schema may have a field of that name.
        crd = one["kind"] == "CustomResourceDefinition"
        for value in _labels(one["metadata"] if crd else one):
            assert LABEL_VALUE.fullmatch(value), value
        _check_name(one)
    keys = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(set(keys)) == len(keys)


def _check_name(one: Object) -> None:
    parts = one["metadata"]["name"].split(".")
    assert len(one["metadata"]["name"]) <= 253
    assert all(DNS_LABEL.fullmatch(part) for part in parts), one["metadata"]["name"]
    # Pods and Services take their name as a DNS label.
    assert one["kind"] in CLUSTER_SCOPED | {"Role", "RoleBinding"} or len(parts) == 1


def _labels(value: object) -> list[str]:
    """All values of labels and label selectors in an object."""
    if isinstance(value, list):
        return [label for item in value for label in _labels(item)]
    if not isinstance(value, dict):
        return []
    own = [x for key in ("labels", "matchLabels") for x in (value.get(key) or {}).values()]
    return [x for x in own if isinstance(x, str)] + [x for v in value.values() for x in _labels(v)]


@pytest.mark.parametrize("values", ["names", "names-of-all"])
def test_overrides_reach_every_object(helm: Helm, values: str) -> None:
    objects = helm.render(SETS[values])
    assert {one["kind"] for one in objects} >= {"Pod", "Job", "PodMonitor", "ConfigMap", "Role"}
    for one in objects:
        if one["kind"] == "CustomResourceDefinition":
            continue
        metadata = one["metadata"]
        name = metadata["name"].removeprefix("elsewhere.")
        assert name.startswith("full"), name
        if one["kind"] not in CLUSTER_SCOPED:
            # Only what gives the right to the Lease of all installations is there.
            shared = one["kind"] in ("Role", "RoleBinding") and "elsewhere." in metadata["name"]
            assert metadata["namespace"] == ("kube-system" if shared else "elsewhere")
    text = helm.text(SETS[values])
    assert "moorage-system" not in text


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("moorage", "moorage-core"),
        ("a", "a-moorage-core"),
        ("my-moorage", "my-moorage-core"),
    ],
)
def test_a_release_names_its_objects(helm: Helm, release: str, name: str) -> None:
    assert the(helm.render(release=release), "Deployment")["metadata"]["name"] == name


def test_two_releases_of_one_name_share_nothing_but_the_crds(newest: Helm) -> None:
    def wide(namespace: str, release: str) -> set[tuple[str, str]]:
        objects = newest.render(SETS["all-on"], namespace=namespace, release=release)
        kinds = CLUSTER_SCOPED - {"CustomResourceDefinition"}
        return {(x["kind"], x["metadata"]["name"]) for x in objects if x["kind"] in kinds}

    assert wide("one", "moorage").isdisjoint(wide("two", "moorage"))
    # Where names are joined with what a name may have, these would be the same.
    assert wide("a", "moorage-b").isdisjoint(wide("b-a", "moorage"))
    assert len(wide("one", "moorage")) == len(wide("two", "moorage")) > 8


def test_harm_20_releases_of_all_namespaces_lead_by_one_lease(newest: Helm) -> None:
    def lease(namespace: str, core: dict[str, Any]) -> tuple[set[str], set[str]]:
        """Where the processes look for it, and where they have the right to it."""
        values = {"core": {"cleanUp": {"enabled": True}, **core}}
        objects = newest.render(values, namespace=namespace)
        pods = (named(objects, kind).values() for kind in ("Deployment", "Job", "Pod"))
        said = {_environment(one)["MOORAGE_LEASE_NAMESPACE"] for some in pods for one in some}
        # The other Role is about the Secret of the release.
        there = [one for one in objects if not one["metadata"]["name"].endswith("-status-key")]
        rights = [the(there, "Role"), the(there, "RoleBinding")]
        assert rights[1]["roleRef"]["name"] == rights[0]["metadata"]["name"]
        assert rights[1]["subjects"][0]["namespace"] == namespace
        names.add(rights[0]["metadata"]["name"])
        return said, {one["metadata"]["namespace"] for one in rights}

    names: set[str] = set()
    assert lease("one", {}) == lease("two", {}) == ({"kube-system"}, {"kube-system"})
    assert len(names) == 2
    elsewhere = {"config": {"leaseNamespace": "leases"}}
    assert lease("one", elsewhere) == ({"leases"}, {"leases"})
    with pytest.raises(HelmError, match="leaseNamespace"):
        newest.render({"core": {"config": {"leaseNamespace": ""}}})


@pytest.mark.parametrize("part", [*PARTS, "crds"])
def test_toggling_one_part_changes_nothing_of_another(newest: Helm, part: str) -> None:
    kinds = dict.fromkeys(WITH_KINDS, True)
    values = {**SETS["all-on"], "crds": {"enabled": True, **kinds}}
    without = {**values, part: {**values.get(part, {}), "enabled": False}}

    def sources(text: str) -> list[str]:
        # Helm ends the last document differently.
        return [one.rstrip() for one in text.split("---\n") if f"charts/{part}/" not in one]

    assert sources(newest.text(values)) == sources(newest.text(without))


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({}, {"netipallocations"}),
        ({"machineIpam": {"enabled": True}}, {"netipallocations", "ippools", "ipallocations"}),
        ({"machineIpam": {"enabled": True}, "crds": {"machineIpam": False}}, {"netipallocations"}),
        ({"crds": {"machineIpam": True}}, {"netipallocations", "ippools", "ipallocations"}),
        ({"machineIpam": {"enabled": True}, "crds": {"enabled": False}}, set()),
        ({"externalIp": {"enabled": True}}, {"netipallocations", *EXTERNAL, "ipallocations"}),
        ({"nodeAgent": {"enabled": True}}, {"netipallocations", "ipclaims"}),
        (
            {part: {"enabled": True} for part in ("machineIpam", "externalIp", "nodeAgent")},
            {"netipallocations", "ippools", "ipallocations", *EXTERNAL},
        ),
        (
            {
                "machineIpam": {"enabled": True},
                "externalIp": {"enabled": True},
                "crds": {"externalIp": False},
            },
            {"netipallocations", "ippools", "ipallocations"},
        ),
    ],
)
def test_the_kinds_of_a_part_that_is_off_by_default_come_with_it(
    helm: Helm, values: dict[str, Any], kinds: set[str]
) -> None:
    there = [one for one in helm.render(values) if one["kind"] == "CustomResourceDefinition"]
    # In a list, since none may be there twice.
    assert sorted(one["spec"]["names"]["plural"] for one in there) == sorted(kinds)
    assert all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for one in there)


def test_kinds_of_others_come_only_where_they_are_asked_for(newest: Helm) -> None:
    there = named(newest.render(SETS["machines-of-others"]), "CustomResourceDefinition")
    ours = {name for name in there if name.endswith(".ipam.cluster.x-k8s.io")}
    assert ours == {f"{one}.ipam.cluster.x-k8s.io" for one in ("ipaddressclaims", "ipaddresses")}
    assert all(there[name]["metadata"]["annotations"]["helm.sh/resource-policy"] for name in ours)


@pytest.mark.parametrize("part", [*PARTS, "crds"])
def test_each_part_renders_alone(helm: Helm, part: str, tmp_path: Path) -> None:
    charts = tmp_path / helm.name
    shutil.copytree(CHART / "charts", charts)
    folder = charts / PARTS.get(part, part)
    helm.run("dependency", "build", str(folder))
    alone = helm.render(EVERYTHING.get(part, {}), chart=folder)
    together = helm.render(SETS["all-on"])
    assert alone
    assert all(one in together for one in alone)


def test_what_a_part_says_goes_before_what_all_say(newest: Helm) -> None:
    said = {"imageRegistry": "all.example.com", "imagePullSecrets": [{"name": "all"}]}
    image = {"registry": "own.example.com", "tag": "2"}
    own = {"image": image, "imagePullSecrets": [{"name": "own"}]}

    def pod(core: dict[str, Any]) -> tuple[str, list[str]]:
        spec = the(newest.render({"global": said, "core": core}), "Deployment")["spec"]["template"]
        names = [one["name"] for one in spec["spec"]["imagePullSecrets"]]
        return spec["spec"]["containers"][0]["image"], names

    assert pod({}) == ("all.example.com/moorage/core:0.1.0", ["all"])
    assert pod(own) == ("own.example.com/moorage/core:2", ["all", "own"])
    digest = {"image": {"digest": "sha256:" + "b" * 64}}
    assert pod(digest)[0] == f"all.example.com/moorage/core@sha256:{'b' * 64}"


def test_a_log_format_for_all_goes_before_the_parts_default(newest: Helm) -> None:
    objects = newest.render({"global": {"logFormat": "text"}})
    assert _environment(the(objects, "Deployment"))["MOORAGE_LOG_FORMAT"] == "text"


def test_settings_are_variables_that_the_controller_reads(newest: Helm) -> None:
    config = {"leaseDuration": 20, "workers": 200, "clusterName": "blue", "dryRun": True}
    given = _environment(the(newest.render({"core": {"config": config}}), "Deployment"))
    assert given["MOORAGE_LEASE_DURATION"] == "20"
    assert given["MOORAGE_WORKERS"] == "200"
    assert given["MOORAGE_CLUSTER_NAME"] == "blue"
    assert given["MOORAGE_DRY_RUN"] == "true"
    assert "MOORAGE_LEASE_NAME" not in given


def _environment(one: Object) -> dict[str, str]:
    pod = pod_of(one)
    assert pod
    return {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize("part", ELECTED)
def test_tests_and_jobs_run_as_the_controller_does(newest: Helm, part: str) -> None:
    """Image, pull secrets, tolerations, node selector, security: all but their arguments."""
    objects = newest.render(only(part, replicas_of(part)))
    pods = [pod for one in objects if (pod := pod_of(one))]
    assert len(pods) == (3 if part in CLEANED_UP else 2)
    same = (
        "image",
        "imagePullPolicy",
        "command",
        "env",
        "securityContext",
        "resources",
        "volumeMounts",
    )
    shared = (
        "nodeSelector",
        "tolerations",
        "affinity",
        "imagePullSecrets",
        "securityContext",
        "serviceAccountName",
        "volumes",
        "enableServiceLinks",
    )
    first = pods[0]["spec"]
    for pod in pods[1:]:
        assert {key: pod["spec"][key] for key in shared} == {key: first[key] for key in shared}
        one, other = pod["spec"]["containers"][0], first["containers"][0]
        assert {key: one[key] for key in same} == {key: other[key] for key in same}
    policy = the(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items()
    assert all(policy <= pod["metadata"]["labels"].items() for pod in pods)


@pytest.mark.parametrize("part", ELECTED)
def test_nothing_but_the_controllers_pods_counts_as_a_replica(newest: Helm, part: str) -> None:
    objects = newest.render(only(part, replicas_of(part)))
    others = [pod_of(the(objects, kind)) for kind in ("Pod", "Job")[: 1 + (part in CLEANED_UP)]]
    selectors = [
        the(objects, "Deployment")["spec"]["selector"]["matchLabels"],
        the(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        the(objects, "Service")["spec"]["selector"],
        the(objects, "PodMonitor")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        for pod in others:
            assert pod
            assert not selector.items() <= pod["metadata"]["labels"].items()


def test_the_parts_of_a_release_do_not_count_each_others_pods(newest: Helm) -> None:
    objects = newest.render(SETS["all-on"])
    deployments = [one for one in objects if one["kind"] in ("Deployment", "DaemonSet")]
    # The admission service of danm is one of its own.
    assert len(deployments) == len(PARTS) + 1
    for one in deployments:
        selector = one["spec"]["selector"]["matchLabels"].items()
        pods = [other["spec"]["template"]["metadata"]["labels"] for other in deployments]
        assert sum(selector <= labels.items() for labels in pods) == 1


@pytest.mark.parametrize(("replicas", "budgets"), [(0, 0), (1, 0), (2, 1), (5, 1)])
def test_a_budget_is_for_two_and_more_replicas(newest: Helm, replicas: int, budgets: int) -> None:
    found = named(newest.render({"core": {"replicas": replicas}}), "PodDisruptionBudget")
    keys = [list(one["spec"]) for one in found.values()]
    assert keys == [["maxUnavailable", "selector"]] * budgets


def test_the_spread_prefers_and_looks_at_the_current_revision(newest: Helm) -> None:
    objects = newest.render(only("core", EVERYTHING["core"]))
    spec = the(objects, "Deployment")["spec"]["template"]["spec"]
    assert [one["topologyKey"] for one in spec["topologySpreadConstraints"]] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for one in spec["topologySpreadConstraints"]:
        assert one["whenUnsatisfiable"] == "ScheduleAnyway"
        assert one["matchLabelKeys"] == ["pod-template-hash"]


@pytest.mark.parametrize(
    "config",
    [
        {
            "ip-range-cidr": "192.168.101.64/28",
            "prefix": 23,
            "nameserver": ["192.168.1.215"],
            "default-gateway": "192.168.100.1",
            "lifecycle-hook": {"name": "ipamController", "owner": "network-admin"},
        },
        {
            "ipv4-range-cidr": "192.168.101.64/28",
            "ipv4-prefix": 23,
            "ipv6-range-cidr": "2001:db8:1::/64",
            "ipv6-prefix": 64,
            "nameserver": ["2001:db8::53"],
        },
    ],
    ids=["first", "second"],
)
def test_the_configuration_of_the_hook_is_a_file_that_the_controller_reads(
    helm: Helm, config: dict[str, Any], tmp_path: Path
) -> None:
    objects = helm.render(only("machineIpam", {"hookConfig": config}))
    mounted = the(objects, "ConfigMap")
    file = tmp_path / "ipam-config.yaml"
    file.write_text(mounted["data"][file.name], "utf-8")
    assert yaml.safe_load(file.read_text("utf-8")) == {"ipam-config": config}
    assert parse_hook_config(file.read_text("utf-8")).ranges
    deployment = the(objects, "Deployment")
    pod = pod_of(deployment)
    assert pod
    (volume,) = pod["spec"]["volumes"]
    assert volume["configMap"]["name"] == mounted["metadata"]["name"]
    (mount,) = pod["spec"]["containers"][0]["volumeMounts"]
    assert _environment(deployment)["MOORAGE_HOOK_CONFIG"] == f"{mount['mountPath']}/{file.name}"


def test_the_webhook_of_machines_has_its_service_port_and_rights_only_where_it_is_on(
    newest: Helm,
) -> None:
    off = newest.render(only("machineIpam", {"hookConfig": HOOK_CONFIG}))
    kinds = {one["kind"] for one in off}
    assert not kinds & {"MutatingWebhookConfiguration", "Service"}
    rights = json.dumps([one["rules"] for one in off if one["kind"].endswith("Role")])
    assert "secrets" not in rights
    assert "mutatingwebhookconfigurations" not in rights
    assert '"machines"' in rights
    values = {"hookConfig": HOOK_CONFIG, "config": {"webhookMachines": True}}
    on = newest.render(only("machineIpam", values))
    service, deployment = the(on, "Service"), the(on, "Deployment")
    (entry,) = the(on, "MutatingWebhookConfiguration")["webhooks"]
    place = {key: service["metadata"][key] for key in ("name", "namespace")}
    assert place.items() <= entry["clientConfig"]["service"].items()
    assert _environment(deployment)["MOORAGE_WEBHOOK_NAME"] == place["name"]
    pod = pod_of(deployment)
    assert pod
    ports = {one["name"]: one["containerPort"] for one in pod["spec"]["containers"][0]["ports"]}
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] in ports
    ingress = the(on, "NetworkPolicy")["spec"]["ingress"]
    assert {"port": ports["webhook"], "protocol": "TCP"} in [
        port for one in ingress for port in one["ports"]
    ]
    named = [
        rule["resourceNames"]
        for one in on
        if one["kind"] == "Role"
        for rule in one["rules"]
        if "secrets" in rule["resources"] and "get" in rule["verbs"]
    ]
    assert named == [[f"{place['name']}-tls"]]


def test_a_webhook_has_a_certificate_of_somebody_else_without_rights_to_make_one(
    newest: Helm,
) -> None:
    note = {"cert-manager.io/inject-ca-from": "moorage/webhook"}
    webhook = {"certificateSecret": "made", "caBundle": "-----PEM", "annotations": note}
    values = {"hookConfig": HOOK_CONFIG, "config": {"webhookMachines": True}, "webhook": webhook}
    objects = newest.render(only("machineIpam", values))
    configuration = the(objects, "MutatingWebhookConfiguration")
    assert configuration["metadata"]["annotations"] == note
    client = configuration["webhooks"][0]["clientConfig"]
    assert base64.b64decode(client["caBundle"]).decode() == "-----PEM"
    assert client["service"]["path"] == "/mutate-machines"
    deployment = the(objects, "Deployment")
    pod = pod_of(deployment)
    assert pod
    (secret,) = (one for one in pod["spec"]["volumes"] if "secret" in one)
    assert secret["secret"]["secretName"] == "made"
    (mount,) = (
        one for one in pod["spec"]["containers"][0]["volumeMounts"] if one["name"] == secret["name"]
    )
    environment = _environment(deployment)
    assert environment["MOORAGE_WEBHOOK_CERTIFICATE"] == f"{mount['mountPath']}/tls.crt"
    assert environment["MOORAGE_WEBHOOK_KEY"] == f"{mount['mountPath']}/tls.key"
    rights = json.dumps([one["rules"] for one in objects if one["kind"].endswith("Role")])
    assert "secrets" not in rights
    assert "mutatingwebhookconfigurations" not in rights


def test_a_webhook_without_ranges_is_refused(newest: Helm) -> None:
    with pytest.raises(HelmError, match=r"machineIpam\.hookConfig: set that, too"):
        newest.render(only("machineIpam", {"config": {"webhookMachines": True}}))


def test_without_machines_it_has_no_rights_on_them(newest: Helm) -> None:
    objects = newest.render(only("machineIpam"))
    assert '"machines"' not in json.dumps([one.get("rules") for one in objects])


def test_policies_of_machine_ipam_know_the_pools_it_serves(newest: Helm) -> None:
    aliases = "installer.openshift.io/IPPool/default-0=lab, example.com/Pool/b=c"
    values = only("machineIpam", {"config": {"poolAliases": aliases}})
    policies = named(newest.render(values, namespace="ns"), "ValidatingAdmissionPolicy")
    endings = ("claims", "addresses", "records", "names")
    assert policies.keys() == {f"ns.moorage-machine-ipam-{one}" for one in endings}
    for one in policies.values():
        (condition,) = one["spec"]["matchConditions"]
        account = "system:serviceaccount:ns:moorage-machine-ipam"
        assert condition["expression"].endswith(f"username == '{account}'")
    text = str(policies["ns.moorage-machine-ipam-addresses"])
    assert '["installer.openshift.io/ippool/default-0","example.com/pool/b"]' in text


def test_policies_name_the_account_and_what_the_controller_writes(newest: Helm) -> None:
    values = {"core": {"serviceAccount": {"name": "it"}, "policies": {"settledTaints": ["a/b"]}}}
    policies = named(newest.render(values, namespace="ns"), "ValidatingAdmissionPolicy")
    ours = {name: one for name, one in policies.items() if not name.endswith("-kubelets")}
    assert len(ours) == 4
    for one in ours.values():
        (condition,) = one["spec"]["matchConditions"]
        assert condition["expression"].endswith("username == 'system:serviceaccount:ns:it'")
    texts = str(policies["ns.moorage-core-nodes"]), str(policies["ns.moorage-core-kubelets"])
    for key in (READY_LABEL, IP_LABEL, OWNER_ANNOTATION):
        assert all(key in text for text in texts)
    assert '["a/b"]' in texts[0]


@pytest.mark.parametrize(
    ("listed", "said"), [(None, SETTLED_TAINTS), (["a/b", "c"], "a/b,c"), ([], "")]
)
def test_sec_01_the_controller_and_the_policies_know_the_same_taints(
    newest: Helm, listed: list[str] | None, said: str
) -> None:
    values = only("core", {} if listed is None else {"policies": {"settledTaints": listed}})
    objects = newest.render(values, namespace="ns")
    (container,) = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert env["MOORAGE_SETTLED_TAINTS"] == said
    policy = named(objects, "ValidatingAdmissionPolicy")["ns.moorage-core-nodes"]
    (settled,) = (one for one in policy["spec"]["variables"] if one["name"] == "settled")
    assert json.loads(settled["expression"]) == [one for one in said.split(",") if one]


def test_an_agent_runs_on_every_node_in_the_network_of_the_node(newest: Helm) -> None:
    objects = newest.render(only(AGENT))
    kinds = {one["kind"] for one in objects}
    # A NetworkPolicy would not reach it, and nothing evicts a pod of a DaemonSet.
    assert not kinds & {"Deployment", "PodDisruptionBudget", "NetworkPolicy", "Job"}
    spec = the(objects, "DaemonSet")["spec"]["template"]["spec"]
    assert spec["hostNetwork"] is True
    assert spec["priorityClassName"] == "system-node-critical"
    assert spec["terminationGracePeriodSeconds"] >= 10
    assert spec["tolerations"] == [
        {"operator": "Exists", "effect": effect} for effect in ("NoSchedule", "NoExecute")
    ]
    variables = {one["name"]: one for one in spec["containers"][0]["env"]}
    source = variables["MOORAGE_NODE_NAME"]["valueFrom"]
    assert source == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert "MOORAGE_LEASE_NAME" not in variables


def test_an_agent_may_write_leases_of_every_name_in_its_own_namespace_alone(newest: Helm) -> None:
    objects = newest.render(only(AGENT), namespace="ns")
    role = the(objects, "Role")
    assert role["metadata"]["namespace"] == "ns"
    verbs = ["create", "delete", "get", "patch"]
    assert role["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs}
    ]
    assert "leases" not in json.dumps(the(objects, "ClusterRole")["rules"])


def test_the_scheduler_reads_all_leases_of_agents_and_writes_its_own(newest: Helm) -> None:
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    reads = {**leases, "verbs": ["get", "list", "watch"]}
    name = {"resourceNames": ["moorage-external-ip"]}
    role = the(newest.render(only("externalIp")), "Role")
    assert role["rules"] == [
        {**leases, "verbs": ["create", *reads["verbs"]]},
        {**leases, **name, "verbs": ["update"]},
    ]
    objects = newest.render(SETS["agents-of-elsewhere"], namespace="ns")
    there = {name: one for name, one in named(objects, "Role").items() if name.endswith("-agents")}
    assert [one["metadata"]["namespace"] for one in there.values()] == ["kube-public"]
    assert [one["rules"] for one in there.values()] == [[reads]]
    (subject,) = named(objects, "RoleBinding")["moorage-external-ip-agents"]["subjects"]
    assert subject["namespace"] == "ns"


def test_sec_08_the_key_of_statuses_is_one_secret_that_the_controller_fills_and_no_release_takes(
    helm: Helm,
) -> None:
    objects = helm.render(only("core"), namespace="ns")
    secret = the(objects, "Secret")
    assert not secret.keys() & {"data", "stringData"}
    assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    name = secret["metadata"]["name"]
    role, binding = (named(objects, kind)[name] for kind in ("Role", "RoleBinding"))
    assert {one["metadata"]["namespace"] for one in (secret, role, binding)} == {"ns"}
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name],
         "verbs": ["get", "patch"]}
    ]  # fmt: skip
    assert _environment(the(objects, "Deployment"))["MOORAGE_STATUS_KEY_SECRET"] == f"ns/{name}"
    others = [one for one in objects if one["kind"].endswith("Role") and one is not role]
    assert "secrets" not in json.dumps([one["rules"] for one in others])


def test_where_the_cluster_chooses_the_user_none_is_named(helm: Helm) -> None:
    spec = the(helm.render(SETS["any-user"]), "Deployment")["spec"]["template"]["spec"]
    profile = {"type": "RuntimeDefault"}
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": profile}


def printed_clean_up(helm: Helm, part: str) -> list[Object]:
    """What the commands of the chart's README make."""
    readme = (CHART / "README.md").read_text("utf-8")
    commands = re.findall(r"(?ms)^helm template (.*?) > clean-up.yaml$", readme)
    (command,) = [one for one in commands if f"charts/{part}/" in one]
    words = shlex.split(command.replace("\\\n", " ").replace("--values values.yaml", ""))
    words[words.index("charts/moorage")] = str(CHART)
    words += ["--set", f"{part}.enabled=true", "--kube-version", "1.36.3"]
    return [one for one in yaml.safe_load_all(helm.run("template", *words)) if one]


def test_the_readme_prints_a_clean_up_that_needs_no_release(helm: Helm) -> None:
    objects = printed_clean_up(helm, "core")
    assert sorted(one["kind"] for one in objects) == [
        "ClusterRole", "ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding", "Job", "Role",
        "Role", "RoleBinding", "RoleBinding", "Secret", "ServiceAccount",
    ]  # fmt: skip
    job = the(objects, "Job")
    assert job["metadata"]["name"] == "moorage-core-clean-up"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["clean-up", "--delete-crds"]


def test_so_it_does_for_machine_ipam_with_the_rights_to_machines_apart(helm: Helm) -> None:
    objects = printed_clean_up(helm, "machineIpam")
    assert sorted(one["kind"] for one in objects) == [
        "ClusterRole", "ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding", "Job", "Role",
        "RoleBinding", "ServiceAccount",
    ]  # fmt: skip
    job = the(objects, "Job")
    assert job["metadata"]["name"] == "moorage-machine-ipam-clean-up"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--release-all"]


def test_so_it_does_for_external_ip_which_may_delete_mirrors_besides(helm: Helm) -> None:
    objects = printed_clean_up(helm, "externalIp")
    assert sorted(one["kind"] for one in objects) == [
        "ClusterRole", "ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding", "Job", "Role",
        "RoleBinding", "ServiceAccount",
    ]  # fmt: skip
    roles = named(objects, "ClusterRole").items()
    (rule,) = (rule for name, role in roles if "clean-up" in name for rule in role["rules"])
    assert (rule["resources"], rule["verbs"]) == (["ipnodes"], ["delete"])
    job = the(objects, "Job")
    assert job["metadata"]["name"] == "moorage-external-ip-clean-up"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["clean-up"]


def test_so_it_does_for_endpoints(helm: Helm) -> None:
    objects = printed_clean_up(helm, "endpoints")
    assert sorted(one["kind"] for one in objects) == [
        "ClusterRole", "ClusterRoleBinding", "Job", "Role", "RoleBinding", "ServiceAccount",
    ]  # fmt: skip
    job = the(objects, "Job")
    assert job["metadata"]["name"] == "moorage-endpoints-clean-up"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--release-all"]


def test_net_attach_defs_are_kept_from_deletion_only_where_they_are_protected(
    newest: Helm,
) -> None:
    def policies(**config: str) -> dict[str, Object]:
        objects = newest.render(only("endpoints", {"config": config}), namespace="ns")
        return named(objects, "ValidatingAdmissionPolicy")

    deletions = policies()["ns.moorage-endpoints-deletions"]["spec"]
    text = str(deletions)
    assert all(name in text for name in (*nads.CLUSTER_CONTROLLERS, nads.MARKER, nads.PROTECT))
    assert nads.ALLOW_DELETE in text
    assert "system:serviceaccount:ns:" not in text, "it is about everybody"
    for mode in ("resurrect", "off"):
        assert "ns.moorage-endpoints-deletions" not in policies(protectNads=mode)


def test_rights_to_create_net_attach_defs_come_with_the_mode_that_does(newest: Helm) -> None:
    def creates(mode: str) -> bool:
        objects = newest.render(only("endpoints", {"config": {"protectNads": mode}}))
        rules = [rule for one in objects for rule in one.get("rules") or ()]
        plural = "network-attachment-definitions"
        return any(plural in one["resources"] and "create" in one["verbs"] for one in rules)

    assert [creates(mode) for mode in ("finalizer", "resurrect", "off")] == [False, True, False]


def test_each_webhook_of_endpoints_is_there_where_it_is_on(newest: Helm) -> None:
    def paths(**config: bool) -> dict[str, str]:
        objects = newest.render(only("endpoints", {"config": config}))
        found = [one for one in objects if one["kind"].endswith("WebhookConfiguration")]
        entries = ((one["kind"], one["webhooks"][0]) for one in found)
        return {kind: entry["clientConfig"]["service"]["path"] for kind, entry in entries}

    services = {"MutatingWebhookConfiguration": "/mutate-services"}
    net_attach_defs = {"ValidatingWebhookConfiguration": "/validate-nads"}
    assert paths() == {}
    assert paths(webhookServices=True) == services
    assert paths(webhookNads=True) == net_attach_defs
    assert paths(webhookServices=True, webhookNads=True) == services | net_attach_defs


def test_uninstalling_keeps_the_kinds(newest: Helm) -> None:
    crds = named(newest.render(), "CustomResourceDefinition").values()
    keep = [one["metadata"]["annotations"]["helm.sh/resource-policy"] for one in crds]
    assert keep == ["keep"]
    objects = newest.render(SETS["all-on"])
    crds = named(objects, "CustomResourceDefinition").values()
    assert all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for one in crds)
    every = (one["metadata"].get("annotations") or {} for one in objects)
    hooks = [one["helm.sh/hook"] for one in every if "helm.sh/hook" in one]
    assert hooks == ["test"] * len(PARTS)


def test_every_object_is_small(newest: Helm) -> None:
    sizes = {one["metadata"]["name"]: len(str(one)) for one in newest.render(SETS["all-on"])}
    assert {name: size for name, size in sizes.items() if size > 200 * 1024} == {}
