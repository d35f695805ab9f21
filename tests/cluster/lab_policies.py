"""What admission policies say to an account that may do too much by its rights."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.cluster.api import Api

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
