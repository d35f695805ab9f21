"""The chart's policies hold moorage-endpoints to its objects, and leave it all that it needs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from lab_nad_cluster import ACCOUNT, Lab, nad_lab
from lab_pages import refused_requests, unused
from lab_policies import Refusal, api_of, refusal_of

from moorage_endpoints import names
from moorage_endpoints.nads.names import FINALIZER, MARKER
from moorage_endpoints.nads.reasons import RELEASED_FOR_NAMESPACE_DELETION
from moorage_endpoints.rbac import RULES
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

Raw = dict[str, Any]
NOT_WRITTEN = f"Event {RELEASED_FOR_NAMESPACE_DELETION.name} of last is not written"
COMPANION = {names.COMPANION_OF: "web"}
NOT_COUNTED_HERE = {
    # A second Event with the same text within ten minutes; the unit tests of events have it.
    ("events", "patch"),
    # Asked by OpenShift's admission, not by a request of ours.
    ("endpointslices/restricted", "create"),
    ("endpoints/restricted", "create"),
}


@pytest.fixture(scope="module")
def lab(cluster: EmbeddedCluster) -> Iterator[Lab]:
    yield from nad_lab(cluster, policies=True)


def _services(lab: Lab, name: str = "") -> str:
    return f"/api/v1/namespaces/{lab.users}/services" + (f"/{name}" if name else "")


def _slices(lab: Lab, name: str = "") -> str:
    base = f"/apis/discovery.k8s.io/v1/namespaces/{lab.users}/endpointslices"
    return f"{base}/{name}" if name else base


def _service(name: str, annotations: Raw | None = None, **spec: Any) -> Raw:
    wanted = {"selector": {"app": "web"}, "ports": [{"port": 80}], "clusterIP": "None"} | spec
    meta = {"name": name, "annotations": annotations or {}, "labels": {"a": "b"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": wanted}


def _slice(name: str, manager: str) -> Raw:
    meta = {"name": name, "labels": {names.MANAGED_BY_LABEL: manager, names.SERVICE_LABEL: "x"}}
    body = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta}
    return body | {"addressType": "IPv4", "endpoints": [], "ports": []}


@pytest.fixture(scope="module")
def account(lab: Lab) -> Refusal:
    """What the API server tells the controller's account, once the policies are in force."""
    token = lab.cluster.service_account_token(f"{lab.namespace}/{ACCOUNT}")
    asked = refusal_of(api_of(lab.cluster, token))
    lab.cluster.request("POST", _services(lab), _service("theirs"))
    lab.cluster.request("POST", _slices(lab), _slice("theirs", "example.com"))

    def abused(path: str) -> str:
        # Another one each time: what was once let through would be no change, which is allowed.
        # A slice cannot be patched by right, so it is deleted in a dry run.
        if path.endswith("slices/theirs"):
            return asked("DELETE", f"{path}?dryRun=All")
        change = {"metadata": {"annotations": {"tried": secrets.token_hex(4)}}}
        return asked("PATCH", path, change)

    for path in (_services(lab, "theirs"), _slices(lab, "theirs")):
        wait_for(partial(abused, path), PATIENCE, "the policies to be in force")
    return asked


def test_of_a_service_it_may_change_the_selector_and_where_it_is_kept(
    lab: Lab, account: Refusal
) -> None:
    path = _services(lab, "theirs")
    kept = {names.REMEMBERED: '{"app":"web"}'}
    taken = {"metadata": {"annotations": kept}, "spec": {"selector": None}}
    given = {
        "metadata": {"annotations": {names.REMEMBERED: None}},
        "spec": {"selector": {"app": "web"}},
    }
    assert account("PATCH", path, taken) == ""
    assert account("PATCH", path, given) == ""
    for meta in ({"labels": {"a": None}}, {"annotations": COMPANION}, {"finalizers": ["a.com/b"]}):
        assert "its own annotation" in account("PATCH", path, {"metadata": meta})
    for spec in ({"publishNotReadyAddresses": True}, {"externalIPs": ["192.0.2.1"]},
                 {"ports": [{"port": 81}]}, {"sessionAffinity": "ClientIP"}):  # fmt: skip
        assert "change the selector" in account("PATCH", path, {"spec": spec})


def test_it_may_make_and_delete_companions_only(lab: Lab, account: Refusal) -> None:
    said = "companions of others"
    assert said in account("POST", _services(lab), _service("more"))
    assert said in account("DELETE", _services(lab, "theirs"))
    path = _services(lab, "web-net")
    assert account("POST", _services(lab), _service("web-net", COMPANION)) == ""
    assert account("PATCH", path, {"spec": {"publishNotReadyAddresses": True}}) == ""
    assert account("DELETE", path) == ""


def _found(lab: Lab, service: str, manager: str) -> list[Raw]:
    """The slices of a Service that somebody manages."""
    labels = f"{names.SERVICE_LABEL}={service},{names.MANAGED_BY_LABEL}={manager}"
    return list(lab.cluster.request("GET", f"{_slices(lab)}?labelSelector={labels}")["items"])


def test_slices_of_others_are_safe_from_it_but_for_what_kubernetes_left(
    lab: Lab, account: Refusal
) -> None:
    mirrored = _service("mirrored", selector=None)
    lab.cluster.request("POST", _services(lab), mirrored)
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "mirrored"}}
    subsets = [{"addresses": [{"ip": "192.0.2.8"}], "ports": [{"port": 80}]}]
    base = f"/api/v1/namespaces/{lab.users}/endpoints"
    lab.cluster.request("POST", base, endpoints | {"subsets": subsets})
    assert "that it manages" in account("POST", _slices(lab), _slice("more", "example.com"))
    assert account("POST", _slices(lab), _slice("ours", names.MANAGER)) == ""
    assert "that it manages" in account("PUT", _slices(lab, "ours"), _slice("ours", "example.com"))
    assert "that it manages" in account(
        "PUT", _slices(lab, "theirs"), _slice("theirs", names.MANAGER)
    )
    assert account("PUT", _slices(lab, "ours"), _slice("ours", names.MANAGER)) == ""
    assert account("DELETE", _slices(lab, "ours")) == ""
    assert "left behind" in account("DELETE", _slices(lab, "theirs"))
    for service, manager in (("theirs", names.KUBERNETES), ("mirrored", names.MIRRORING)):
        (left,) = wait_for(partial(_found, lab, service, manager), PATIENCE, f"slices of {service}")
        path = _slices(lab, left["metadata"]["name"])
        assert account("DELETE", f"{path}?dryRun=All") == ""


def test_endpoints_are_rewritten_in_the_mode_legacy_only(lab: Lab, account: Refusal) -> None:
    base = f"/api/v1/namespaces/{lab.users}/endpoints"
    body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "alone"}}
    lab.cluster.request("POST", base, body)
    subsets = [{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"port": 80}]}]
    path = f"{base}/alone"
    assert "mode legacy" in account("PATCH", path, {"subsets": subsets})
    mark = {"annotations": {names.LEGACY_MARK: "true"}}
    assert account("PATCH", path, {"metadata": mark, "subsets": subsets}) == ""
    assert account("DELETE", path) == ""


def _pod(lab: Lab, name: str, address: str) -> None:
    """One that has this address in the network, and runs on no node."""
    status = [{"name": f"{lab.users}/net", "interface": "net1", "ips": [address]}]
    annotations = {
        "k8s.v1.cni.cncf.io/networks": "net",
        "k8s.v1.cni.cncf.io/network-status": json.dumps(status),
    }
    meta = {"name": name, "labels": {"app": "web"}, "annotations": annotations}
    spec = {"containers": [{"name": "main", "image": "fake"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    lab.cluster.request("POST", f"/api/v1/namespaces/{lab.users}/pods", pod)


@pytest.fixture
def ending(lab: Lab) -> Iterator[str]:
    """A namespace that ends and does not come to its end, with a net-attach-def that pods use.

    The controller lets that one go, and an Event of it can be written nowhere.
    """
    name = f"ending-{secrets.token_hex(3)}"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    lab.cluster.request("POST", "/api/v1/namespaces", space)
    lab.nad("last", name, finalizers=[FINALIZER, "example.com/a"], annotations={MARKER: "1 pod"})
    lab.pod("abroad", f"{name}/last")
    lab.cluster.request("DELETE", f"/api/v1/namespaces/{name}")
    wait_for(
        lambda: "deletionTimestamp" in (lab.find("last", name) or {})["metadata"],
        PATIENCE,
        "the namespace to be emptied",
    )
    yield name
    lab.cluster.request("PATCH", lab.path("last", name), {"metadata": {"finalizers": None}})


def _written(lab: Lab, service: str) -> list[str] | None:
    """The addresses in the Endpoints of a Service; ``None`` = there are none at the moment."""
    try:
        raw = lab.cluster.request("GET", f"/api/v1/namespaces/{lab.users}/endpoints/{service}")
    except ApiError as error:
        if error.status != 404:  # between our deletion and what Kubernetes writes
            raise
        return None
    subsets = raw.get("subsets") or ()
    return [one["ip"] for it in subsets for key in it if "ddresses" in key for one in it[key]]


def _ours(lab: Lab, service: str) -> list[str]:
    """The addresses of the network in the Endpoints of a Service.

    Kubernetes writes those of the pods' own network there, once a node runs the pods: in a cluster
    that other tests share, one may.
    """
    return [one for one in _written(lab, service) or () if one.startswith("192.0.2.")]


def test_under_the_policies_it_does_its_work_in_every_mode_with_every_right(
    lab: Lab, account: Refusal, ending: str
) -> None:
    del account  # the policies are in force
    lab.nad("net")
    _pod(lab, "web-0", "192.0.2.9")
    for mode in ("handover", "companion", "legacy"):
        chosen = {names.NETWORKS: "net", names.MODE: mode}
        lab.cluster.request("POST", _services(lab), _service(mode, chosen))
    child = lab.start()

    def addresses(service: str) -> list[str]:
        """Of our slices of a Service."""
        found = _found(lab, service, names.MANAGER)
        return [one["addresses"][0] for raw in found for one in raw.get("endpoints") or ()]

    wait_for(lambda: addresses("handover") == ["192.0.2.9"], PATIENCE, "the handover")
    wait_for(
        lambda: "selector" not in lab.cluster.request("GET", _services(lab, "handover"))["spec"],
        PATIENCE,
        "the selector to be kept",
    )
    wait_for(lambda: addresses("companion-net") == ["192.0.2.9"], PATIENCE, "the companion")
    wait_for(lambda: _written(lab, "legacy") == ["192.0.2.9"], PATIENCE, "the Endpoints")
    _pod(lab, "web-1", "192.0.2.10")
    wait_for(lambda: len(addresses("handover")) == 2, PATIENCE, "the second pod")
    change = {"metadata": {"annotations": {names.NETWORKS: None, names.MODE: None}}}
    for mode in ("handover", "companion", "legacy"):
        lab.cluster.request("PATCH", _services(lab, mode), change)
    wait_for(lambda: addresses("handover") == [], PATIENCE, "the way back")
    wait_for(lambda: addresses("companion-net") == [], PATIENCE, "the companion to go")
    try:
        wait_for(lambda: not _ours(lab, "legacy"), PATIENCE, "ours to leave the Endpoints")
    except WaitTimeoutError as error:
        raise AssertionError(f"{_written(lab, 'legacy')}: {child.log_tail()}") from error
    wait_for(lambda: NOT_WRITTEN in child.log.read_text(), PATIENCE, "the Event to be refused")
    assert not lab.is_held("last", ending)
    assert [one for one in refused_requests(child) if 'code="403"' in one] == []
    assert unused(RULES, child) - NOT_COUNTED_HERE == set()
