"""kube-score finds nothing in the chart but what is allowed, each with its reason."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from helm import KUBERNETES, Helm, pod_of
from value_sets import SETS

from moorage_testing.cluster.toolchain import tool_path

ALLOWED = {
    "container-resources": "no limit of the CPU: a throttled leader cannot renew its Lease",
    "container-image-pull-policy": "tags of releases never move, and a digest cannot",
    "deployment-has-host-podantiaffinity": "a topology spread does it, and never blocks an upgrade",
    "deployment-replicas": "with fewer replicas only where the values say so",
    "pod-probes": "tests and Jobs end by themselves",
    "container-seccomp-profile": "the pod has it for all containers",
    "deployment-has-poddisruptionbudget": "with one replica it would block every drain",
    "pod-networkpolicy": "none only where the values say so",
    "container-security-context-user-group-id": "none only where the values say so",
}
# Of the findings above, these may be in no chart as it is delivered.
ONLY_ON_REQUEST = {
    "deployment-replicas",
    "deployment-has-poddisruptionbudget",
    "pod-networkpolicy",
    "container-security-context-user-group-id",
}


def findings(text: str) -> dict[str, list[str]]:
    """The checks of kube-score that are not content, with what they say."""
    command = [
        str(tool_path("kube-score")),
        "score",
        "--output-format",
        "json",
        "--kubernetes-version",
        f"v{KUBERNETES.rpartition('.')[0]}",
        "-",
    ]
    done = subprocess.run(  # noqa: S603 - a fixed command
        command, input=text, capture_output=True, text=True, check=False
    )
    found: dict[str, list[str]] = {}
    for scored in json.loads(done.stdout) or ():
        for check in scored["checks"]:
            if not check["skipped"] and check["grade"] < 10:  # 10 is all well
                comments = [c["summary"] for c in check["comments"] or ()]
                said = [scored["object_name"], *comments]
                found.setdefault(check["check"]["id"], []).extend(said)
    return found


@pytest.mark.parametrize("name", SETS)
def test_kube_score_finds_only_what_is_allowed(newest: Helm, name: str) -> None:
    text = newest.text(SETS[name])
    if not text.strip():
        return
    found = findings(text)
    delivered = name not in ("minimal", "any-user")
    allowed = ALLOWED.keys() - (ONLY_ON_REQUEST if delivered else set())
    assert {check: said for check, said in found.items() if check not in allowed} == {}


def test_kube_score_would_find_it(newest: Helm) -> None:
    text = newest.text().replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    assert "container-security-context-readonlyrootfilesystem" in findings(text)


@pytest.mark.parametrize("name", ["defaults", "all-on", "ha", "names"])
def test_every_pod_is_as_safe_as_it_can_be(newest: Helm, name: str) -> None:
    pods = [pod for one in newest.render(SETS[name]) if (pod := pod_of(one))]
    assert pods
    for pod in pods:
        spec = pod["spec"]
        assert spec["enableServiceLinks"] is False
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(spec)
        assert _mounted(spec).isdisjoint({"hostPath"})
        context = spec["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 65532)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        inner = container["securityContext"]
        assert inner["allowPrivilegeEscalation"] is False
        assert inner["readOnlyRootFilesystem"] is True
        assert "ALL" in inner["capabilities"]["drop"]
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_no_token_is_mounted_but_where_it_is_needed(newest: Helm) -> None:
    accounts = [one for one in newest.render() if one["kind"] == "ServiceAccount"]
    assert [one["automountServiceAccountToken"] for one in accounts] == [False]


def _mounted(spec: dict[str, Any]) -> set[str]:
    return {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
