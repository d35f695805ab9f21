"""The webhook on Services: what is taken out of them, and what passes as it is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from moorage_domain.admission import AdmissionRequest, Allowed, GroupKind, Patched
from moorage_endpoints import names
from moorage_endpoints.admission import admit
from moorage_endpoints.modes import Mode
from moorage_endpoints.registration import service_webhook

Raw = dict[str, Any]
KIND = GroupKind("", "v1", "Service")


def service(**fields: Any) -> Raw:
    notes = {names.NETWORKS: "net"} | fields.pop("notes", {})
    meta: Raw = {"name": "web", "annotations": {k: v for k, v in notes.items() if v is not None}}
    meta |= fields.pop("meta", {})
    spec = {"selector": {"app": "db", "a": "b"}, "ports": [{"port": 80}]} | fields
    return {"metadata": meta, "spec": {k: v for k, v in spec.items() if v is not None}}


def asked(raw: Raw | None, old: Raw | None = None, **fields: Any) -> AdmissionRequest:
    operation = "UPDATE" if old else "CREATE"
    usual: Raw = {"name": "web", "namespace": "shop", "object": raw, "old_object": old}
    return AdmissionRequest("u", operation, KIND, KIND, **(usual | fields))


def changed(raw: Raw, request: AdmissionRequest, default: Mode = Mode.HANDOVER) -> Raw:
    """The object as it is stored after the webhook; it is not changed in place."""
    before = deepcopy(raw)
    decision = admit(request, default)
    assert raw == before
    if isinstance(decision, Allowed):
        return raw
    assert isinstance(decision, Patched)
    result = deepcopy(raw)
    for operation in decision.operations:
        *path, last = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        )
        target = result
        for part in path:
            target = target[part]
        if operation["op"] == "remove":
            del target[last]
        else:
            target[last] = operation["value"]
    return result


def test_na_27_webhook_strips_selector() -> None:
    raw = service()
    stored = changed(raw, asked(raw))
    assert "selector" not in stored["spec"]
    assert stored["metadata"]["annotations"][names.REMEMBERED] == '{"a":"b","app":"db"}'
    assert stored["spec"]["ports"] == raw["spec"]["ports"]
    # It is asked again, and nothing is left to do.
    assert admit(asked(stored), Mode.HANDOVER) == Allowed()


def test_na_27_webhook_strips_selector_on_update_and_reapply() -> None:
    stored = changed(service(), asked(service()))
    applied = deepcopy(stored)
    applied["spec"]["selector"] = {"app": "new"}
    again = changed(applied, asked(applied, old=stored))
    assert "selector" not in again["spec"]
    assert again["metadata"]["annotations"][names.REMEMBERED] == '{"app":"new"}'


def test_na_27_webhook_answers_a_dry_run_alike() -> None:
    raw = service()
    assert admit(asked(raw, dry_run=True), Mode.HANDOVER) == admit(asked(raw), Mode.HANDOVER)


@pytest.mark.parametrize("key", names.NETWORKS_ANNOTATIONS)
def test_every_annotation_that_names_networks_counts(key: str) -> None:
    raw = service(notes={names.NETWORKS: None, key: "net"})
    assert "selector" not in changed(raw, asked(raw))["spec"]


@pytest.mark.parametrize(
    ("raw", "default"),
    [
        (service(notes={names.NETWORKS: None}), Mode.HANDOVER),
        (service(), Mode.REPORT),
        (service(notes={names.MODE: "companion"}), Mode.HANDOVER),
        (service(notes={names.MODE: "legacy"}), Mode.HANDOVER),
        (service(selector=None), Mode.HANDOVER),
        (service(selector={}), Mode.HANDOVER),
        (service(type="ExternalName"), Mode.HANDOVER),
        (service(notes={"moorage.dev/dry-run": "true"}), Mode.HANDOVER),
        ({"metadata": {"name": "web"}, "spec": {"selector": {"a": "b"}, "ports": []}}, Mode.REPORT),
    ],
)
def test_everything_else_passes_as_it_is(raw: Raw, default: Mode) -> None:
    assert admit(asked(raw), default) == Allowed()


def test_the_annotation_for_the_mode_overrules_the_setting() -> None:
    raw = service(notes={names.MODE: "handover"})
    assert "selector" not in changed(raw, asked(raw), Mode.REPORT)["spec"]


def test_what_is_being_deleted_passes_unmutated() -> None:
    old = service(meta={"deletionTimestamp": "2027-01-01T00:00:00Z"})
    assert admit(asked(service(), old=old), Mode.HANDOVER) == Allowed()


def test_a_deletion_and_a_subresource_pass() -> None:
    assert admit(asked(None, old=service()), Mode.HANDOVER) == Allowed()
    assert admit(asked(service(), subresource="status"), Mode.HANDOVER) == Allowed()


def test_what_cannot_be_read_passes_with_a_warning() -> None:
    decision = admit(asked(service(notes={names.NETWORKS: "a,,b"})), Mode.HANDOVER)
    assert isinstance(decision, Allowed)
    (warning,) = decision.warnings
    assert "item of network 2" in warning


def test_a_service_whose_name_is_yet_to_be_made_up() -> None:
    raw = service(meta={"name": "web", "generateName": "w"})
    stored = changed(raw, asked(raw, name=""))
    assert stored["metadata"]["generateName"] == "w"


def test_no_service_waits_for_the_webhook() -> None:
    entry = service_webhook("ns", "name")
    assert (entry["failurePolicy"], entry["timeoutSeconds"] <= 2) == ("Ignore", True)
    assert entry["sideEffects"] == "None"
    conditions = " ".join(one["expression"] for one in entry["matchConditions"])
    assert all(key in conditions for key in names.NETWORKS_ANNOTATIONS)
