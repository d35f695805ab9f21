"""A real API server takes every set of values, also where Pod Security is restricted."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from helm import Helm, pod_of
from value_sets import LONG, SETS

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.prometheus import operator

_numbers = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def monitoring(cluster: EmbeddedCluster) -> Iterator[None]:
    """The kinds of the Prometheus operator, as far as the chart uses them; gone in the end."""
    cluster.apply(operator.crds())
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
    yield
    cluster.kubectl("delete", "crd", *(one["metadata"]["name"] for one in operator.crds()))


@pytest.fixture(scope="module")
def restricted(cluster: EmbeddedCluster) -> Iterator[str]:
    """A namespace that refuses every pod that is not restricted; nothing is ever made in it."""
    name = f"restricted-{next(_numbers)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    meta = {"name": name, "labels": labels}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": meta}])
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def in_namespace(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values, but with the overridden namespace, if any, being this one."""
    return json.loads(json.dumps(values).replace("elsewhere", name)) if values else {}


_said: dict[str, str] = {}


def _accepted(cluster: EmbeddedCluster, text: str) -> str:
    """What kubectl says; asked once of texts that differ in nothing but blank lines and documents
    without an object, as those of Helm 3 and Helm 4 do."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    key = re.sub(r"(?m)^(---\n)+", "---\n", "\n".join(lines))
    if key not in _said:
        apply = ("apply", "--dry-run=server", "--validate=strict", "-f-")
        _said[key] = cluster.kubectl(*apply, stdin=text)
    return _said[key]


@pytest.mark.parametrize("release", ["moorage", LONG])
@pytest.mark.parametrize("name", SETS)
def test_the_api_server_takes_it(
    helm: Helm, cluster: EmbeddedCluster, restricted: str, name: str, release: str
) -> None:
    text = helm.text(in_namespace(restricted, SETS[name]), namespace=restricted, release=release)
    if not text.strip():
        assert name == "all-off"
        return
    said = _accepted(cluster, text)
    objects = [one for one in yaml.safe_load_all(text) if one]
    assert len(said.splitlines()) == len(objects)


@pytest.mark.parametrize("name", SETS)
def test_restricted_pod_security_admits_every_pod_but_agents(
    newest: Helm, cluster: EmbeddedCluster, restricted: str, name: str
) -> None:
    objects = newest.render(in_namespace(restricted, SETS[name]), namespace=restricted)
    # An agent is in the network of its node, which no such namespace allows.
    others = [one for one in objects if one["kind"] != "DaemonSet"]
    for pod in filter(None, map(pod_of, others)):
        labels = pod["metadata"]["labels"]
        meta = {"name": "try", "namespace": restricted, "labels": labels}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod["spec"]}
        cluster.kubectl("create", "--dry-run=server", "-f-", stdin=json.dumps(body))
