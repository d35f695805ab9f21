"""AdmissionReview on the wire: read a question strictly, write its answer."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson

from moorage_domain.admission import (
    AdmissionRequest,
    Allowed,
    Decision,
    Denied,
    GroupKind,
    Patched,
    User,
)
from moorage_kube.webhook.unread import Unread

GROUP: Final = "admission.k8s.io"
VERSIONS: Final = ("v1", "v1beta1")
"""The older one differs in nothing that is read or written here, and is still asked in."""
KIND: Final = "AdmissionReview"
OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_MOST_UID: Final = 256
_VERSION_OF: Final = {f"{GROUP}/{version}": version for version in VERSIONS}


class BadReview(Exception):
    """What was sent is no AdmissionReview with a question; one line says why."""


class _Kind(msgspec.Struct, gc=False):
    """``kind`` and ``resource``; each has one of the last two."""

    group: str = ""
    version: str = ""
    kind: str = ""
    resource: str = ""


class _User(msgspec.Struct, gc=False):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] | None = ()


class _Request(msgspec.Struct, rename="camel"):
    """Of what is not named here nothing is parsed."""

    uid: str | None = None
    operation: str | None = None
    kind: _Kind | None = None
    resource: _Kind | None = None
    sub_resource: str | None = None
    name: str | None = None
    namespace: str | None = None
    object: dict[str, msgspec.Raw] | None = None
    old_object: dict[str, msgspec.Raw] | None = None
    user_info: _User | None = None
    options: dict[str, Any] | None = None
    dry_run: bool | None = None


class _Review(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    request: _Request | None = None


_REVIEW: Final = msgspec.json.Decoder(_Review)


def parse(body: bytes) -> AdmissionRequest:
    """The question in the body of a request; raises :class:`BadReview`."""
    try:
        review = _REVIEW.decode(body)
    except msgspec.ValidationError as error:
        raise BadReview(f"the body is no {KIND}: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadReview("the body is not JSON") from error
    version = _VERSION_OF.get(review.api_version)
    if review.kind != KIND or version is None:
        raise BadReview(f"the body is not an {KIND} of {GROUP}/{VERSIONS[0]}")
    if review.request is None:
        raise BadReview("the review has no request")
    return _request(review.request, version)


def answer(question: AdmissionRequest, decision: Decision) -> bytes:
    """The body of the answer to a question, in the version in which it was asked."""
    response: dict[str, Any] = {"uid": question.uid, "allowed": not isinstance(decision, Denied)}
    if isinstance(decision, Denied):
        response["status"] = {
            "code": decision.code,
            "reason": decision.reason,
            "message": decision.message,
        }
    elif isinstance(decision, Patched) and decision.operations:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(decision.operations)).decode()
    if decision.warnings:
        response["warnings"] = decision.warnings
    version = f"{GROUP}/{question.version}"
    return orjson.dumps({"apiVersion": version, "kind": KIND, "response": response})


def outcome(decision: Decision) -> str:
    """The decision as one word, for metrics."""
    if isinstance(decision, Allowed):
        return "allowed"
    return "denied" if isinstance(decision, Denied) else "patched"


def _request(said: _Request, version: str) -> AdmissionRequest:
    uid, operation = said.uid or "", said.operation or ""
    if not 0 < len(uid) <= _MOST_UID:
        raise BadReview("the request has no uid, or one that is too long")
    if operation not in OPERATIONS:
        raise BadReview("the request has no operation that is known")
    if said.kind is None or said.resource is None:
        raise BadReview("the request has no kind, or no resource")
    kind, resource, user = said.kind, said.resource, said.user_info or _User()
    return AdmissionRequest(
        uid=uid,
        operation=operation,
        kind=_group_kind(kind.group, kind.version, kind.kind),
        resource=_group_kind(resource.group, resource.version, resource.resource),
        subresource=said.sub_resource or "",
        name=said.name or "",
        namespace=said.namespace or "",
        object=_object(said.object),
        old_object=_object(said.old_object),
        user=User(user.username, user.uid, user.groups or ()),
        options=said.options or {},
        dry_run=bool(said.dry_run),
        version=version,
    )


def _object(fields: dict[str, msgspec.Raw] | None) -> Unread | None:
    return None if fields is None else Unread(fields)


@lru_cache(maxsize=256)  # it is asked for a few, and thousands of times for each
def _group_kind(group: str, version: str, name: str) -> GroupKind:
    return GroupKind(group, version, name)
