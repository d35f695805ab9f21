"""Which writes of net-attach-defs the webhook refuses; all else passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lab_nads import BRIDGE, NS, request

from moorage_domain.admission import Allowed, Decision, Denied, GroupKind
from moorage_endpoints.nads.admission import NadRequest, decide_nad
from moorage_endpoints.nads.model import Place, Protection, Users
from moorage_endpoints.nads.names import MARKER

USED = Users(1, ("default/pod",))
BROKEN = "{"


def nad(config: str | None = BRIDGE, name: str = "net", **meta: Any) -> dict[str, Any]:
    spec = {} if config is None else {"spec": {"config": config}}
    return {"metadata": {"name": name, "namespace": NS, **meta}, **spec}


def answer(
    operation: str, users: Users | None = USED, place: Place = Place.THERE, **fields: Any
) -> Decision:
    asked = request(operation, **fields)
    return decide_nad(NadRequest(asked, Protection.FINALIZER, users, place))


@pytest.mark.parametrize("config", [BRIDGE, "", None])
def test_what_cni_can_read_passes(config: str | None) -> None:
    assert answer("CREATE", new=nad(config)) == Allowed()
    assert answer("UPDATE", old=nad(BROKEN), new=nad(config)) == Allowed()


def test_what_it_cannot_read_is_refused_with_the_field_and_the_place() -> None:
    for old in (None, nad()):
        found = answer("UPDATE" if old else "CREATE", old=old, new=nad(BROKEN))
        assert isinstance(found, Denied)
        assert found.code == 422
        assert found.message.startswith("spec.config: it is no JSON")


def test_what_became_invalid_can_still_be_annotated_and_released() -> None:
    old = nad(BROKEN, finalizers=["moorage.dev/in-use"])
    assert answer("UPDATE", old=old, new=nad(BROKEN, annotations={"a": "b"})) == Allowed()
    assert answer("UPDATE", old=old, new=nad(BROKEN)) == Allowed()


def test_what_is_being_deleted_passes_whatever_is_written() -> None:
    leaving = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert answer("UPDATE", old=nad(**leaving), new=nad(BROKEN, **leaving)) == Allowed()


@pytest.mark.parametrize("name", ["a.b", "A", "-a", "a-", "x" * 64])
def test_a_name_that_no_pod_could_say_is_refused_when_it_is_created(name: str) -> None:
    found = answer("CREATE", new=nad(name=name))
    assert isinstance(found, Denied)
    assert f'metadata.name: "{name}"' in found.message
    assert answer("UPDATE", old=nad(name=name), new=nad("", name=name)) == Allowed()


def test_a_name_that_is_yet_to_be_made_up_passes() -> None:
    new = {"metadata": {"generateName": "net-"}, "spec": {"config": BRIDGE}}
    assert answer("CREATE", name="", new=new) == Allowed()


def test_another_name_in_the_config_is_warned_of() -> None:
    found = answer("CREATE", new=nad('{"type": "bridge", "name": "other"}'))
    assert isinstance(found, Allowed)
    assert "is other" in found.warnings[0]
    assert answer("CREATE", new=nad('{"type": "bridge", "name": "net"}')) == Allowed()


def test_a_deletion_is_refused_while_it_is_used() -> None:
    assert isinstance(answer("DELETE", old=nad()), Denied)
    assert answer("DELETE", users=Users(), old=nad()) == Allowed()


def test_what_is_not_known_yet_is_read_from_the_mark() -> None:
    marked = nad(annotations={MARKER: "default/old"})
    found = answer("DELETE", users=None, old=marked)
    assert isinstance(found, Denied)
    assert "default/old" in found.message
    assert answer("DELETE", users=None, old=nad()) == Allowed()


def test_a_second_deletion_passes() -> None:
    assert answer("DELETE", old=nad(deletionTimestamp="2026-01-01T00:00:00Z")) == Allowed()


def test_a_deletion_without_the_object_passes() -> None:
    assert answer("DELETE") == Allowed()


def test_the_end_of_its_namespace_passes() -> None:
    assert answer("DELETE", place=Place.TERMINATING, old=nad()) == Allowed()
    assert isinstance(answer("DELETE", place=Place.UNKNOWN, old=nad()), Denied)


@pytest.mark.parametrize("protection", [Protection.RESURRECT, Protection.OFF])
def test_nothing_is_kept_where_nothing_is_protected(protection: Protection) -> None:
    asked = request("DELETE", old=nad())
    assert decide_nad(NadRequest(asked, protection, USED, Place.THERE)) == Allowed()


def test_other_kinds_and_subresources_pass() -> None:
    asked = request("CREATE", new=nad(BROKEN))
    others = replace(asked, resource=GroupKind("", "v1", "pods")), replace(asked, subresource="x")
    for other in others:
        decision = decide_nad(NadRequest(other, Protection.FINALIZER, USED, Place.THERE))
        assert decision == Allowed()
