"""What is rendered depends on the values alone, is valid under any name, and is safe."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, Helm, HelmError, Object, named, pod_of, the
from value_sets import EVERYTHING, LONG, SETS

from moorage_core.decide.node_labels import IP_LABEL, OWNER_ANNOTATION, READY_LABEL

CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
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
        for value in _labels(one):
            assert LABEL_VALUE.fullmatch(value), value
        _check_name(one)
    keys = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(set(keys)) == len(keys)


def _check_name(one: Object) -> None:
    parts = one["metadata"]["name"].split(".")
    assert len(one["metadata"]["name"]) <= 253
    assert all(DNS_LABEL.fullmatch(part) for part in parts), one["metadata"]["name"]
    # Pods and Services take their name as a DNS label.
    assert one["kind"] in CLUSTER_SCOPED or len(parts) == 1


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
        name = one["metadata"]["name"].removeprefix("elsewhere.")
        assert name.startswith("full"), name
        if one["kind"] not in CLUSTER_SCOPED:
            assert one["metadata"]["namespace"] == "elsewhere"
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


@pytest.mark.parametrize("part", ["core", "crds"])
def test_toggling_one_part_changes_nothing_of_another(newest: Helm, part: str) -> None:
    values = SETS["all-on"]
    without = {**values, part: {**values.get(part, {}), "enabled": False}}

    def sources(text: str) -> list[str]:
        # Helm ends the last document differently.
        return [one.rstrip() for one in text.split("---\n") if f"charts/{part}/" not in one]

    assert sources(newest.text(values)) == sources(newest.text(without))


@pytest.mark.parametrize("part", ["core", "crds"])
def test_each_part_renders_alone(helm: Helm, part: str, tmp_path: Path) -> None:
    charts = tmp_path / helm.name
    shutil.copytree(CHART / "charts", charts)
    helm.run("dependency", "build", str(charts / part))
    values = EVERYTHING if part == "core" else {}
    alone = helm.render(values, chart=charts / part)
    together = helm.render({"core": EVERYTHING})
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


def test_tests_and_jobs_run_as_the_controller_does(newest: Helm) -> None:
    """Image, pull secrets, tolerations, node selector, security: all but their arguments."""
    objects = newest.render(SETS["all-on"])
    pods = [pod for one in objects if (pod := pod_of(one))]
    assert len(pods) == 3
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


def test_nothing_but_the_controllers_pods_counts_as_a_replica(newest: Helm) -> None:
    objects = newest.render(SETS["all-on"])
    others = [pod_of(the(objects, kind)) for kind in ("Pod", "Job")]
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


@pytest.mark.parametrize(("replicas", "budgets"), [(0, 0), (1, 0), (2, 1), (5, 1)])
def test_a_budget_is_for_two_and_more_replicas(newest: Helm, replicas: int, budgets: int) -> None:
    found = named(newest.render({"core": {"replicas": replicas}}), "PodDisruptionBudget")
    keys = [list(one["spec"]) for one in found.values()]
    assert keys == [["maxUnavailable", "selector"]] * budgets


def test_the_spread_prefers_and_looks_at_the_current_revision(newest: Helm) -> None:
    spec = the(newest.render(SETS["all-on"]), "Deployment")["spec"]["template"]["spec"]
    assert [one["topologyKey"] for one in spec["topologySpreadConstraints"]] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for one in spec["topologySpreadConstraints"]:
        assert one["whenUnsatisfiable"] == "ScheduleAnyway"
        assert one["matchLabelKeys"] == ["pod-template-hash"]


def test_policies_name_the_account_and_what_the_controller_writes(newest: Helm) -> None:
    values = {"core": {"serviceAccount": {"name": "it"}, "policies": {"settledTaints": ["a/b"]}}}
    policies = named(newest.render(values, namespace="ns"), "ValidatingAdmissionPolicy")
    ours = {name: one for name, one in policies.items() if not name.endswith("-kubelets")}
    assert len(ours) == 3
    for one in ours.values():
        (condition,) = one["spec"]["matchConditions"]
        assert condition["expression"].endswith("username == 'system:serviceaccount:ns:it'")
    texts = str(policies["ns.moorage-core-nodes"]), str(policies["ns.moorage-core-kubelets"])
    for key in (READY_LABEL, IP_LABEL, OWNER_ANNOTATION):
        assert all(key in text for text in texts)
    assert '["a/b"]' in texts[0]


def test_where_the_cluster_chooses_the_user_none_is_named(helm: Helm) -> None:
    spec = the(helm.render(SETS["any-user"]), "Deployment")["spec"]["template"]["spec"]
    profile = {"type": "RuntimeDefault"}
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": profile}


def test_the_readme_prints_a_clean_up_that_needs_no_release(helm: Helm) -> None:
    readme = (CHART / "README.md").read_text("utf-8")
    pattern = r"(?ms)^helm template (.*?) > clean-up.yaml$"
    (command,) = re.findall(pattern, readme)
    words = shlex.split(command.replace("\\\n", " ").replace("--values values.yaml", ""))
    words[words.index("charts/moorage")] = str(CHART)
    text = helm.run("template", *words, "--kube-version", "1.36.3")
    objects = [one for one in yaml.safe_load_all(text) if one]
    assert sorted(one["kind"] for one in objects) == [
        "ClusterRole", "ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding", "Job", "Role",
        "RoleBinding", "ServiceAccount",
    ]  # fmt: skip
    job = the(objects, "Job")
    assert job["metadata"]["name"] == "moorage-core-clean-up"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["clean-up", "--delete-crds"]


def test_uninstalling_keeps_the_kinds(newest: Helm) -> None:
    crds = named(newest.render(), "CustomResourceDefinition").values()
    keep = [one["metadata"]["annotations"]["helm.sh/resource-policy"] for one in crds]
    assert keep == ["keep"]
    every = (one["metadata"].get("annotations") or {} for one in newest.render(SETS["all-on"]))
    assert [one["helm.sh/hook"] for one in every if "helm.sh/hook" in one] == ["test"]


def test_every_object_is_small(newest: Helm) -> None:
    sizes = {one["metadata"]["name"]: len(str(one)) for one in newest.render(SETS["all-on"])}
    assert {name: size for name, size in sizes.items() if size > 200 * 1024} == {}
