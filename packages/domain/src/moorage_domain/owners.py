"""Owners: with whom an object goes, as the garbage collector reads it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage_domain.kinds import Kind
from moorage_domain.subject import Subject


def owner_reference(kind: Kind, owner: Subject) -> dict[str, Any]:
    """The entry of ``metadata.ownerReferences`` by which an object goes with its controller.

    An object in a namespace has owners of the same namespace, or of none. ``blockOwnerDeletion`` is
    not set: where the API server checks it, it takes a right that the owner's kind may not have.
    """
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
    }


def controller_of(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner reference that is the controller, from an object's metadata; ``{}`` = none."""
    owners = meta.get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def controller_uid(raw: Mapping[str, Any]) -> str:
    """The uid of the object that controls this one; ``""``: nothing does."""
    return str(controller_of(raw["metadata"]).get("uid", ""))
