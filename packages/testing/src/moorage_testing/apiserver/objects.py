"""Objects: what the API server stores, under which versions, and the history of changes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from moorage_testing.apiserver.messages import Asked, Refusal, already_exists, invalid, not_found
from moorage_testing.apiserver.places import Place, place_of

Json = dict[str, Any]

# What a client may not change, whatever it sends.
_FIXED = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "generation", "resourceVersion",
)  # fmt: skip
# Stored as absent where they are empty.
_OMITTED = ("labels", "annotations", "finalizers", "ownerReferences")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history: an object before and after; ``None`` = it was not there."""

    version: int
    place: Place
    before: Json | None
    after: Json | None


def _clock() -> float:
    """By the clock of this moment: in virtual time that is another one than at the import."""
    return time.time()


@dataclass
class Objects:
    """Everything stored, by the object's path; nothing in here waits for anything.

    Attributes:
        version: the last resourceVersion given away.
        oldest: the version before which nothing is remembered.
        history: the changes since then.
        now: epoch seconds.
        collects: whether objects go with their last owner, as the garbage collector does it.
        on_change: called after every change, for watches and checks.
    """

    objects: dict[str, Json] = field(default_factory=dict)
    version: int = 100
    oldest: int = 0
    history: list[Change] = field(default_factory=list)
    now: Callable[[], float] = _clock
    collects: bool = True
    on_change: list[Callable[[Change], None]] = field(default_factory=list)
    dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - of names only

    def need(self, place: Place) -> Json:
        """The object; raises :class:`Refusal` where there is none."""
        held = self.objects.get(place.path)
        if held is None:
            raise not_found(place.resource, place.name)
        return held

    def all_of(self, place: Place) -> list[Json]:
        """All objects meant by a place, in the order of their paths."""
        return [self.objects[path] for path in sorted(self.objects) if place.holds(place_of(path))]

    def insert(self, place: Place, asked: Asked) -> Json:
        """Store a new object."""
        body = asked.body if isinstance(asked.body, dict) else {}
        meta = body.get("metadata") or {}
        name = meta.get("name") or self._generated(meta.get("generateName"))
        if not name:
            raise invalid_object(
                place, body, "metadata.name: Required value: name or generateName is required"
            )
        if meta.get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise Refusal(400, "BadRequest", message)
        one = place.named(place.namespace, name)
        if one.path in self.objects:
            raise already_exists(one.resource, name)
        named = {"apiVersion": place.api_version, "kind": place.kind_name}
        new: Json = (named if place.kind_name else {}) | deepcopy(body)
        if place.has_status and not place.keeps_status_at_creation:
            new.pop("status", None)
        new["metadata"] = {key: value for key, value in meta.items() if key not in _FIXED} | {
            "name": name,
            "uid": self._uid(),
            "creationTimestamp": self._timestamp(),
            **({"namespace": one.namespace} if one.namespace else {}),
            **({"generation": 1} if one.counts_generations else {}),
        }
        return self._stored(one, None, new)

    def change(self, place: Place, new: Json) -> Json:
        """Store another state of an object, as far as a client may change it.

        An object that is being deleted goes with its last finalizer; its last state is returned.
        """
        held = self.need(place)
        old_meta, new_meta = held["metadata"], new.get("metadata") or {}
        if place.subresource == "status":
            new = held | {"status": new["status"]} if "status" in new else dict(held)
            new_meta = old_meta
        elif place.has_status:
            kept = {"status": held["status"]} if "status" in held else {}
            new = {key: value for key, value in new.items() if key != "status"} | kept
        fixed = {key: old_meta[key] for key in _FIXED if key in old_meta}
        free = {key: value for key, value in new_meta.items() if key not in _FIXED}
        same = {key: held[key] for key in ("apiVersion", "kind") if key in held}
        new = new | same | {"metadata": _tidy(free | fixed)}
        if place.resource == "services":
            new = _with_its_cluster_address(place, held, new)
        if new == held:
            return held
        self._check_finalizers(place, held, new)
        if place.counts_generations and _substance(new) != _substance(held):
            new["metadata"]["generation"] = old_meta.get("generation", 0) + 1
        if "deletionTimestamp" in old_meta and not new["metadata"].get("finalizers"):
            return self._gone(place, new)
        return self._stored(place, held, deepcopy(new))

    def delete(self, place: Place) -> Json | None:
        """Delete an object politely; what is left of it, ``None`` = nothing."""
        held = self.need(place)
        meta = held["metadata"]
        if not meta.get("finalizers"):
            self._gone(place, held)
            return None
        if "deletionTimestamp" in meta:
            return held
        more = {"deletionTimestamp": self._timestamp(), "deletionGracePeriodSeconds": 0}
        if "generation" in meta:
            more["generation"] = meta["generation"] + 1
        return self._stored(place, held, held | {"metadata": meta | more})

    def force(self, place: Place, raw: Json | None) -> Json:
        """Store exactly this, or nothing, whatever the rules say; watches hear of it."""
        held = self.objects.get(place.path)
        if raw is None:
            return self._gone(place, held or self.need(place))
        return self._stored(place, held, raw)

    def compact(self) -> None:
        """Forget the history: no watch and no continue token of the past goes on."""
        self.oldest = self.version
        self.history.clear()

    def bookmark(self, versions: int = 10) -> None:
        """Let the versions grow, as they do when other kinds change; watches get a bookmark."""
        self.version += versions
        self._happened(Change(self.version, Place("", ""), None, None))

    def _stored(self, place: Place, before: Json | None, after: Json) -> Json:
        self.version += 1
        after = after | {"metadata": after["metadata"] | {"resourceVersion": str(self.version)}}
        self.objects[place.path] = after
        one = place.named(place.namespace, place.name)
        self._happened(Change(self.version, one, before, after))
        return after

    def _gone(self, place: Place, last: Json) -> Json:
        self.version += 1
        before = self.objects.pop(place.path)
        last = last | {"metadata": last["metadata"] | {"resourceVersion": str(self.version)}}
        one = place.named(place.namespace, place.name)
        self._happened(Change(self.version, one, last, None))
        if self.collects and (uid := before["metadata"].get("uid")):
            self._collect(uid)
        return last

    def _collect(self, uid: str) -> None:
        """Delete what only the object with this uid owned."""
        for path, raw in list(self.objects.items()):
            owners = {ref["uid"] for ref in raw["metadata"].get("ownerReferences") or ()}
            if uid in owners and path in self.objects:
                living = {one["metadata"].get("uid") for one in self.objects.values()}
                if not owners & living:
                    self.delete(place_of(path))

    def _happened(self, change: Change) -> None:
        self.history.append(change)
        for listener in list(self.on_change):
            listener(change)

    def _check_finalizers(self, place: Place, held: Json, new: Json) -> None:
        if "deletionTimestamp" not in held["metadata"]:
            return
        before = set(held["metadata"].get("finalizers") or ())
        if added := set(new["metadata"].get("finalizers") or ()) - before:
            found = ", ".join(f'"{one}"' for one in sorted(added))
            why = "no new finalizers can be added if the object is being deleted"
            raise invalid_object(
                place,
                held,
                f"metadata.finalizers: Forbidden: {why}, found new finalizers []string{{{found}}}",
            )

    def _generated(self, prefix: str | None) -> str:
        return prefix + "".join(self.dice.choices(_LETTERS, k=5)) if prefix else ""

    def _uid(self) -> str:
        return str(UUID(int=self.dice.getrandbits(128), version=4))

    def _timestamp(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_its_cluster_address(place: Place, held: Json, new: Json) -> Json:
    """A Service keeps the one that it has, or that it has none."""
    old, spec = (held.get("spec") or {}).get("clusterIP"), new.get("spec") or {}
    if not old or spec.get("type") == "ExternalName":
        return new
    wanted = spec.get("clusterIP") or old
    if wanted != old:
        why = f'spec.clusterIPs[0]: Invalid value: ["{wanted}"]: may not change once set'
        raise invalid_object(place, held, why)
    return new | {"spec": spec | {"clusterIP": old}}


def invalid_object(place: Place, raw: Json, why: str) -> Refusal:
    """The object can never be stored like this."""
    return invalid(f'{full_kind(place, raw)} "{place.name}" is invalid: {why}')


def full_kind(place: Place, raw: Json) -> str:
    """The kind of an object as messages name it."""
    kind = raw.get("kind") or place.kind_name or place.plural
    return f"{kind}.{place.group}" if place.group else kind


def _tidy(meta: Json) -> Json:
    return {key: value for key, value in meta.items() if value or key not in _OMITTED}


def _substance(raw: Json) -> Json:
    return {key: value for key, value in raw.items() if key not in ("metadata", "status")}
