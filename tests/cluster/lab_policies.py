"""What admission policies say to an account that may do too much by its rights."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.cluster.api import Api
from moorage_testing.cluster.objects import cluster_role_of, granted
from moorage_testing.waiting import PATIENCE, wait_for

SECONDS = 30.0
GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}
"""An owner that is not there: what names it is deleted by the garbage collector."""
RECORDS = "/apis/moorage.dev/v1alpha1/ipallocations"
Refusal = Callable[..., str]
"""Of a method, a path and a body: what the API server tells; empty where it is allowed."""


def api_of(cluster: EmbeddedCluster, token: str) -> Api:
    """The API server for the account of a token."""
    port = urlsplit(cluster.server).port
    assert port
    return Api("127.0.0.1", port, cluster.ca_file, token, SECONDS)


def account_of(cluster: EmbeddedCluster, name: str, *rules: dict[str, Any]) -> Api:
    """The API server for an account of the namespace ``default`` that has these rights alone."""
    full_name = f"default/{name}"
    cluster.apply([*granted(cluster_role_of(name, *rules), full_name)])
    return api_of(cluster, cluster.service_account_token(full_name))


def allowed_at_last(api: Api, path: str, change: dict[str, Any]) -> None:
    """Patch what an account may patch, as soon as its new rights are known."""

    def done() -> bool:
        try:
            api.request("PATCH", path, change)
        except ApiError as error:
            if error.status == 403:  # the role is not known yet
                return False
            raise
        return True

    wait_for(done, PATIENCE, "the rights")


def refusal_of(api: Api) -> Refusal:
    """What the API server tells an account."""

    def asked(method: str, path: str, body: dict[str, Any] | None = None) -> str:
        try:
            api.request(method, path, body)
        except ApiError as error:
            if error.status != 422:  # RBAC allows it, so nothing but a policy refuses it
                raise
            return str(error)
        return ""

    return asked


def tried(refusal: Refusal, path: str) -> str:
    """What is told to an account that writes an annotation of its own choice.

    Another one each time: what was once let through would be no change, which is allowed.
    """
    return refusal("PATCH", path, {"metadata": {"annotations": {"tried": secrets.token_hex(4)}}})


def record(name: str, address: str, kind: str) -> dict[str, Any]:
    """An address that an owner of this kind has."""
    owner = {"apiVersion": "example.com/v1", "kind": kind, "name": name, "uid": name}
    body = {"apiVersion": "moorage.dev/v1alpha1", "kind": "IPAllocation"}
    return body | {"metadata": {"name": name}, "spec": {"address": address, "owner": owner}}
