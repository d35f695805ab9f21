"""AdmissionReview v1 on the wire: read a question strictly, write its answer."""

from __future__ import annotations

import base64
from typing import Any, Final

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

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"
OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_MOST_UID: Final = 256


class BadReview(Exception):
    """What was sent is no AdmissionReview v1 with a question; one line says why."""


def parse(body: bytes) -> AdmissionRequest:
    """The question in the body of a request; raises :class:`BadReview`."""
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadReview("the body is not JSON") from error
    if not isinstance(review, dict):
        raise BadReview("the body is not a JSON object")
    if review.get("kind") != KIND or review.get("apiVersion") != API_VERSION:
        raise BadReview(f"the body is not an {KIND} of {API_VERSION}")
    raw = review.get("request")
    if not isinstance(raw, dict):
        raise BadReview("the review has no request")
    return _request(raw)


def answer(uid: str, decision: Decision) -> bytes:
    """The body of the answer to the question with this uid."""
    response: dict[str, Any] = {"uid": uid, "allowed": not isinstance(decision, Denied)}
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
    return orjson.dumps({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def outcome(decision: Decision) -> str:
    """The decision as one word, for metrics."""
    if isinstance(decision, Allowed):
        return "allowed"
    return "denied" if isinstance(decision, Denied) else "patched"


def _request(raw: dict[str, Any]) -> AdmissionRequest:
    uid, operation = _text(raw, "uid"), _text(raw, "operation")
    if not 0 < len(uid) <= _MOST_UID:
        raise BadReview("the request has no uid, or one that is too long")
    if operation not in OPERATIONS:
        raise BadReview("the request has no operation that is known")
    return AdmissionRequest(
        uid=uid,
        operation=operation,
        kind=_group_kind(raw, "kind", "kind"),
        resource=_group_kind(raw, "resource", "resource"),
        subresource=_text(raw, "subResource"),
        name=_text(raw, "name"),
        namespace=_text(raw, "namespace"),
        object=_object(raw, "object"),
        old_object=_object(raw, "oldObject"),
        user=_user(_object(raw, "userInfo") or {}),
        options=_object(raw, "options") or {},
        dry_run=_flag(raw, "dryRun"),
    )


def _group_kind(raw: dict[str, Any], field: str, last: str) -> GroupKind:
    kind = _object(raw, field)
    if not kind:
        raise BadReview(f"the request has no {field}")
    return GroupKind(_text(kind, "group"), _text(kind, "version"), _text(kind, last))


def _user(raw: dict[str, Any]) -> User:
    groups = raw.get("groups") or ()
    if not isinstance(groups, list | tuple) or not all(isinstance(each, str) for each in groups):
        raise BadReview("groups of the user are no list of strings")
    return User(_text(raw, "username"), _text(raw, "uid"), tuple(groups))


def _text(raw: dict[str, Any], field: str) -> str:
    value = raw.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadReview(f"{field} is no string")
    return value


def _flag(raw: dict[str, Any], field: str) -> bool:
    value = raw.get(field)
    if value is not None and not isinstance(value, bool):
        raise BadReview(f"{field} is neither true nor false")
    return bool(value)


def _object(raw: dict[str, Any], field: str) -> dict[str, Any] | None:
    value = raw.get(field)
    if value is not None and not isinstance(value, dict):
        raise BadReview(f"{field} is no JSON object")
    return value
