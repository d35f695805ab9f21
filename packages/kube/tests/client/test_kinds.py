"""Paths mean exactly what was asked for."""

from __future__ import annotations

import pytest

from moorage_domain.kinds import Kind
from moorage_kube.client.kinds import LEASES, NODES, PODS, resource_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (resource_path(NODES), "/api/v1/nodes"),
        (resource_path(NODES, name="n1"), "/api/v1/nodes/n1"),
        (resource_path(NODES, name="n1", subresource="status"), "/api/v1/nodes/n1/status"),
        (resource_path(PODS), "/api/v1/pods"),
        (resource_path(PODS, "team"), "/api/v1/namespaces/team/pods"),
        (resource_path(PODS, "team", "p", "eviction"), "/api/v1/namespaces/team/pods/p/eviction"),
        (
            resource_path(LEASES, "team", "l"),
            "/apis/coordination.k8s.io/v1/namespaces/team/leases/l",
        ),
        (resource_path(NODES, name="system:n"), "/api/v1/nodes/system:n"),
        (resource_path(NODES, name="a/b"), "/api/v1/nodes/a%2Fb"),
        (resource_path(PODS, "a?b#c", "d e"), "/api/v1/namespaces/a%3Fb%23c/pods/d%20e"),
    ],
)
def test_a_path_leads_to_what_was_asked_for(path: str, expected: str) -> None:
    assert path == expected


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "message"),
    [
        (NODES, None, "", "no object is called ''"),
        (NODES, None, "..", "no object is called '..'"),
        (PODS, ".", "p", "no object is called '.'"),
        (PODS, None, "p", "pods 'p' needs a namespace"),
        (NODES, "team", "n", "nodes are in no namespace, 'team' was given"),
    ],
)
def test_a_path_that_would_mean_something_else_is_refused(
    kind: Kind, namespace: str | None, name: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        resource_path(kind, namespace, name)


def test_the_api_version_has_a_group_unless_it_is_the_core_one() -> None:
    assert (NODES.api_version, LEASES.api_version) == ("v1", "coordination.k8s.io/v1")
