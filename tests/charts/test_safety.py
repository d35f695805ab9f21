"""kube-score finds nothing in the chart but what is allowed, each with its reason."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from helm import KUBERNETES, Helm, pod_of, the
from value_sets import SETS

from moorage_testing.cluster.toolchain import tool_path

ALL_WELL = 10  # kube-score's best grade
# What kube-score says, with the reason why it may.
ALLOWED = {
    "CPU limit is not set": "a throttled leader cannot renew its Lease",
    # It writes nothing: a node that does not count local storage would never run it.
    "Ephemeral Storage limit is not set": "some nodes have none to give",
    "Ephemeral Storage request is not set": "as above",
    "ImagePullPolicy is not set to Always": "tags of releases never move, and a digest cannot",
    "Deployment does not have a host podAntiAffinity set": "a spread does it, and never blocks",
}
# What an agent is for: it changes the network of its node.
AGENT = {
    "The container is running with a low user ID",
    "The container running with a low group ID",
    # None would reach a pod in the network of its node.
    "The pod does not have a matching NetworkPolicy",
}
# The same, in sets of values that ask for it.
ASKED_FOR = {
    **dict.fromkeys(("all-on", "names-of-all", "node-agent", "agents-of-elsewhere"), AGENT),
    "minimal": {"The pod does not have a matching NetworkPolicy"},
    "any-user": {
        "The container is running with a low user ID",
        "The container running with a low group ID",
    },
}


def findings(text: str) -> set[str]:
    """What kube-score is not content with."""
    version = f"v{KUBERNETES.rpartition('.')[0]}"
    command = [str(tool_path("kube-score")), "score", "--output-format", "json"]
    done = subprocess.run(  # noqa: S603 - a fixed command
        [*command, "--kubernetes-version", version, "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    checks = [check for scored in json.loads(done.stdout) or () for check in scored["checks"]]
    wrong = [check for check in checks if not check["skipped"] and check["grade"] < ALL_WELL]
    return {one["summary"] for check in wrong for one in check["comments"] or ()}


@pytest.mark.parametrize("name", SETS)
def test_kube_score_finds_only_what_is_allowed(newest: Helm, name: str) -> None:
    allowed = ALLOWED.keys() | ASKED_FOR.get(name, set())
    assert findings(newest.text(SETS[name])) <= allowed


def test_nothing_is_allowed_that_is_not_found(newest: Helm) -> None:
    assert findings(newest.text()) == ALLOWED.keys()
    for name, said in ASKED_FOR.items():
        assert said <= findings(newest.text(SETS[name]))


def test_kube_score_would_find_it(newest: Helm) -> None:
    text = newest.text().replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    assert findings(text) - ALLOWED.keys() == {
        "The pod has a container with a writable root filesystem"
    }


@pytest.mark.parametrize(
    "name",
    ["defaults", "all-on", "machine-ipam", "external-ip", "endpoints", "danm", "ha", "names"],
)
def test_every_pod_is_as_safe_as_it_can_be(newest: Helm, name: str) -> None:
    objects = [one for one in newest.render(SETS[name]) if one["kind"] != "DaemonSet"]
    pods = [pod for one in objects if (pod := pod_of(one))]
    assert pods
    for pod in pods:
        spec = pod["spec"]
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


@pytest.mark.parametrize("name", SETS)
def test_sec_10_no_pod_is_told_of_services_by_its_environment(newest: Helm, name: str) -> None:
    pods = [pod for one in newest.render(SETS[name]) if (pod := pod_of(one))]
    assert [pod for pod in pods if pod["spec"].get("enableServiceLinks") is not False] == []


def test_an_agent_has_what_it_needs_for_the_network_of_its_node_and_no_more(newest: Helm) -> None:
    pod = pod_of(the(newest.render(SETS["node-agent"]), "DaemonSet"))
    assert pod
    spec = pod["spec"]
    assert {"hostPID", "hostIPC"}.isdisjoint(spec)
    assert _mounted(spec).isdisjoint({"hostPath"})
    profile = {"type": "RuntimeDefault"}
    assert spec["securityContext"] == {
        "runAsNonRoot": False, "runAsUser": 0, "runAsGroup": 0, "seccompProfile": profile,
    }  # fmt: skip
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
    }


def test_the_check_of_an_agent_has_nothing_of_what_an_agent_may_do(newest: Helm) -> None:
    spec = the(newest.render(SETS["node-agent"]), "Pod")["spec"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert {"hostNetwork", "priorityClassName"}.isdisjoint(spec)
    (container,) = spec["containers"]
    assert container["args"] == ["check"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_no_token_is_mounted_but_where_it_is_needed(newest: Helm) -> None:
    accounts = [one for one in newest.render() if one["kind"] == "ServiceAccount"]
    assert [one["automountServiceAccountToken"] for one in accounts] == [False]


def _mounted(spec: dict[str, Any]) -> set[str]:
    return {kind for volume in spec.get("volumes", ()) for kind in volume if kind != "name"}
