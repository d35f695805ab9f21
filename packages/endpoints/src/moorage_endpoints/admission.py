"""Admission: a Service that is handed over loses its selector as it is written; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Patched
from moorage_endpoints import names
from moorage_endpoints.modes import Mode
from moorage_endpoints.projections.services import service_of
from moorage_endpoints.targets import Target, target_of


def admit(request: AdmissionRequest, default: Mode) -> Decision:
    """Keep the selector of a Service of ours in an annotation, and let everything else pass.

    Nothing is ever denied: the controller does the same later, and says what is wrong.
    """
    asked = request.object
    if asked is None or request.subresource or _is_leaving(request):
        return Allowed()
    service = service_of(_named(asked, request))
    if service.wish.problem:
        return Allowed((f"moorage: {service.wish.problem}",))
    wanted = target_of(service, default) is Target.HANDOVER and bool(service.selector)
    if not wanted or service.subject.dry_run:
        return Allowed()
    after = {**asked, "metadata": dict(asked["metadata"]), "spec": dict(asked["spec"])}
    annotations = dict(after["metadata"].get("annotations") or {})
    annotations[names.REMEMBERED] = remembered(service.selector)
    after["metadata"]["annotations"] = annotations
    del after["spec"]["selector"]
    return Patched.between(asked, after)


def remembered(selector: Mapping[str, str]) -> str:
    """A selector as the annotation has it."""
    return json.dumps(selector, sort_keys=True, separators=(",", ":"))


def _is_leaving(request: AdmissionRequest) -> bool:
    """Whether the stored object is being deleted: whatever lets it go must pass as it is."""
    old = request.old_object or {}
    return "deletionTimestamp" in (old.get("metadata") or {})


def _named(asked: Mapping[str, Any], request: AdmissionRequest) -> dict[str, Any]:
    """The object with the name and namespace that it may get only when it is stored."""
    meta = {"name": request.name, "namespace": request.namespace} | dict(asked["metadata"])
    return {**asked, "metadata": meta}
