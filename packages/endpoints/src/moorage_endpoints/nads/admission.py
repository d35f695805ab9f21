"""Whether a net-attach-def may be written or deleted; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Denied, JsonObject
from moorage_endpoints.kinds import NADS
from moorage_endpoints.nads.config import InvalidConfig, parse_config
from moorage_endpoints.nads.decide import is_protected
from moorage_endpoints.nads.model import Place, Protection, Users
from moorage_endpoints.nads.names import ALLOW_DELETE, CLUSTER_CONTROLLERS
from moorage_endpoints.nads.projections import nad_of

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class NadRequest:
    """One write of a net-attach-def, and what is known of the one that is there.

    Attributes:
        users: ``None`` = not known yet.
    """

    request: AdmissionRequest
    protection: Protection
    users: Users | None
    place: Place


def decide_nad(asked: NadRequest) -> Decision:
    """The answer to one write."""
    request = asked.request
    if (request.resource.group, request.resource.name) != (NADS.group, NADS.plural):
        return Allowed()
    if request.subresource:
        return Allowed()
    if request.operation == "DELETE":
        return _deletion(asked)
    return _content(request)


def _deletion(asked: NadRequest) -> Decision:
    """Refused while pods use it, but for those who delete whole namespaces, or what lost its owner.

    The finalizer holds it all the same; this says so at once.
    """
    request, old = asked.request, asked.request.old_object
    if old is None or _is_leaving(old) or request.user.name in CLUSTER_CONTROLLERS:
        return Allowed()
    nad = nad_of(old)
    if not is_protected(nad, asked.protection, asked.place):
        return Allowed()
    if asked.users is None:
        return _in_use(request, nad.marker) if nad.marker else Allowed()
    return _in_use(request, str(asked.users)) if asked.users.count else Allowed()


def _in_use(request: AdmissionRequest, users: str) -> Denied:
    name = f"{request.namespace}/{request.name}"
    return Denied(
        f"the net-attach-def {name} is in use by {users}: delete these pods first, or annotate it"
        f" {ALLOW_DELETE}=true to delete it all the same"
    )


def _content(request: AdmissionRequest) -> Decision:
    """Only what is new is looked at: what became invalid can be annotated and released."""
    new, old = request.object, request.old_object
    if new is None or _is_leaving(new) or (old is not None and _is_leaving(old)):
        return Allowed()
    if old is None and (problem := _name_problem(request, new)):
        return _invalid(problem)
    if old is not None and old.get("spec") == new.get("spec"):
        return Allowed()
    return _config(new.get("spec"), str(_meta(new).get("name") or request.name))


def _config(spec: object, name: str) -> Decision:
    """What CNI would say; ``name`` of the net-attach-def, ``""`` = it is yet to be made up."""
    text = spec.get("config") if isinstance(spec, Mapping) else None
    if not isinstance(text, str):  # the schema of the CRD refuses what is no text
        return Allowed()
    try:
        config = parse_config(text)
    except InvalidConfig as error:
        return _invalid(f"spec.config: {error}")
    if not name or config.name in ("", name):
        return Allowed()
    message = f'spec.config: its "name" is {config.name}, and that of the net-attach-def is {name}'
    return Allowed((f"{message}; plug-ins see the one in the config",))


def _name_problem(request: AdmissionRequest, new: JsonObject) -> str:
    """Pods name it in an annotation, which takes no dots."""
    name = str(_meta(new).get("name") or request.name)
    if not name or _LABEL.fullmatch(name):  # one that is yet to be made up ends in letters
        return ""
    return (
        f'metadata.name: "{name}" cannot be named by a pod\'s annotation; use at most 63 small'
        ' letters, digits and "-" between them'
    )


def _invalid(message: str) -> Denied:
    return Denied(message, 422, "Invalid")


def _is_leaving(raw: JsonObject) -> bool:
    return "deletionTimestamp" in _meta(raw)


def _meta(raw: JsonObject) -> Mapping[str, Any]:
    meta = raw.get("metadata")
    return meta if isinstance(meta, Mapping) else {}
