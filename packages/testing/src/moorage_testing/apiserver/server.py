"""The double itself: answers requests over its objects, and has bad days when a test says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from moorage_domain.kinds import Kind
from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.credentials import FixedCredentials
from moorage_testing.apiserver.faults import Fault
from moorage_testing.apiserver.messages import (
    UNKNOWN_PATH,
    Answer,
    Asked,
    Dropped,
    Refusal,
    expired,
    invalid,
    json_answer,
    modified,
    success,
    uid_recreated,
    uid_replaced,
)
from moorage_testing.apiserver.objects import Objects, full_kind, invalid_object
from moorage_testing.apiserver.patches import merged, patched
from moorage_testing.apiserver.places import Place, place_for, place_of
from moorage_testing.apiserver.selectors import selector
from moorage_testing.apiserver.watches import Watch
from moorage_testing.waiting import until

Json = dict[str, Any]

TOKEN = "s3cret-token"  # noqa: S105 - of this server only


@dataclass
class ApiServer:
    """An API server: any kind, by the rules of the real one.

    No authentication, no admission, no schemas, no defaults and no built-in controllers but the
    garbage collector; pods go at once when they are deleted.

    Attributes:
        world: what is stored.
        asked: every request that arrived.
        may_evict: called with a pod before an eviction; raises :class:`Refusal` to refuse it.
        before: called before a request does its work; may raise :class:`Dropped`.
        after: called when it has done it; what it raises is not the client's to see.
        url: where it listens, ``""`` = nowhere.
        groups: versions of each API group that discovery names, the preferred one first.
        unserved: kinds as ``plural.group`` that it answers 404 for, as if they had no CRD.
    """

    world: Objects = field(default_factory=Objects)
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    may_evict: Callable[[Json], None] = lambda _: None
    before: list[Callable[[Asked], None]] = field(default_factory=list)
    after: list[Callable[[Asked], None]] = field(default_factory=list)
    url: str = "http://in-memory"
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unserved: set[str] = field(default_factory=set)
    _watches: list[Watch] = field(default_factory=list)
    _pages: dict[str, tuple[str, list[Json]]] = field(default_factory=dict)

    # What a test does to the world.

    @property
    def objects(self) -> dict[str, Json]:
        """All that is stored, by path; what is changed in here, no watch hears of."""
        return self.world.objects

    def put(self, kind: Kind, name: str, namespace: str = "", **fields: Any) -> Json:  # noqa: ANN401 - any part of an object
        """Create or change an object by force; ``uid`` makes it another one of the same name."""
        place = place_for(kind, name, namespace)
        before = self.objects.get(place.path)
        uid = fields.pop("uid", None) or (before["metadata"]["uid"] if before else f"uid-{name}")
        meta = {"name": name, "uid": uid} | ({"namespace": namespace} if namespace else {})
        meta = meta | fields.pop("metadata", {})
        raw = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **fields}
        return self.world.force(place, raw)

    def remove(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Let an object vanish, whatever finalizers it has."""
        self.world.force(place_for(kind, name, namespace), None)

    def find(self, kind: Kind, name: str, namespace: str = "") -> Json | None:
        """An object as it is stored; ``None`` = there is none."""
        return self.objects.get(place_for(kind, name, namespace).path)

    def all_of(self, kind: Kind, namespace: str = "") -> list[Json]:
        """All objects of a kind."""
        return self.world.all_of(place_for(kind, namespace=namespace))

    def create(self, kind: Kind, body: Json, namespace: str = "") -> Json:
        """Create an object as a user would; raises :class:`Refusal`. No fault strikes."""
        named = {"apiVersion": kind.api_version, "kind": kind.name} | body
        namespace = namespace or body["metadata"].get("namespace", "")
        asked = Asked("POST", place_for(kind, namespace=namespace).path, body=named)
        return self.world.insert(place_of(asked.path), asked)

    def patch(self, kind: Kind, name: str, body: Json, namespace: str = "") -> Json:
        """Change an object as a user would, by a merge patch; raises :class:`Refusal`."""
        place = place_for(kind, name, namespace)
        return self.world.change(place, merged(self.world.need(place), body))

    def delete(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Delete an object as a user would: with finalizers it stays for now."""
        self.world.delete(place_for(kind, name, namespace))

    def request(self, method: str, path: str, body: Json | None = None) -> Json:
        """Ask for anything as a user would, a PATCH being a merge; raises :class:`Refusal`.

        No fault strikes.
        """
        headers = {"Content-Type": "application/merge-patch+json"}
        asked = Asked(method, path, headers=headers, body=body)
        answer: Json = json.loads(self._answer(asked, place_of(path)).body)
        return answer

    @property
    def version(self) -> int:
        """The last resourceVersion given away; lower it, and the server is set back to a backup."""
        return self.world.version

    @version.setter
    def version(self, version: int) -> None:
        self.world.version = version

    def bookmark(self) -> None:
        """Time has passed and other kinds have changed; every watch is sent the version."""
        self.world.bookmark()

    def forget_history(self) -> None:
        """Watches cannot go on from any version of the past: 410 Gone."""
        self.world.compact()

    @property
    def watches(self) -> int:
        """How many watches are under way."""
        return len(self._watches)

    async def end_watches(self, how: Literal["quiet", "break"] = "quiet") -> None:
        """End all watches: ``quiet`` as at their time, or ``break`` in the middle of a line."""
        ended = list(self._watches)
        self.cut_watches(how)
        await until(lambda: not any(watch in self._watches for watch in ended), "watches to end")

    def cut_watches(self, how: Literal["quiet", "break"] = "break") -> None:
        """The same, without waiting until they have ended."""
        for watch in self._watches:
            watch.end(how)

    def fail(self, verb: str, **how: Any) -> None:  # noqa: ANN401 - fields of Fault
        """Let the next requests of a verb meet a fault; see :class:`Fault`."""
        self.faults.append(Fault(verb, **how))

    def refuse(self, verb: str, refusal: Refusal, times: int = 1) -> None:
        """Let the next requests of a verb be refused, as admission or a quota would do it."""
        self.fail(verb, status=refusal.status, body=refusal.body(), times=times)

    def requests(self, verb: str) -> list[Asked]:
        """The requests of a verb."""
        return [asked for asked in self.asked if asked.verb == verb]

    def connection(self, **fields: Any) -> Connection:  # noqa: ANN401 - fields of Connection
        """What a client needs to reach it."""
        source = FixedCredentials(Credentials(token=TOKEN))
        return replace(Connection(self.url, source, "the test"), **fields)

    # How it answers.

    async def answer(self, asked: Asked) -> Answer:
        """The answer to one request; raises :class:`Dropped` where none comes."""
        self.asked.append(asked)
        fault = next((fault for fault in self.faults if fault.meets(asked)), None)
        if fault is None:
            return self._worked(asked)
        fault.times -= 1
        if fault.hang:
            await asyncio.Event().wait()
        await asyncio.sleep(fault.delay_seconds)
        if fault.drop == "after":
            self._worked(asked)
        if fault.drop:
            raise Dropped
        if not fault.status:
            return self._worked(asked)
        answer = json_answer(fault.body or {}, fault.status)
        body = fault.body if isinstance(fault.body, bytes) else answer.body
        return replace(answer, body=body, headers=fault.headers)

    def _worked(self, asked: Asked) -> Answer:
        for check in self.before:
            check(asked)
        try:
            answer = self._discovered(asked) or self._answer(asked, place_of(asked.path))
        except Refusal as refusal:
            answer = refusal.answer()
        for check in self.after:
            check(asked)
        return answer

    def _discovered(self, asked: Asked) -> Answer | None:
        """What is said of an API group; ``None``: that is not what was asked for."""
        if asked.method != "GET" or not asked.path.startswith("/apis/"):
            return None
        group = asked.path.removeprefix("/apis/")
        if "/" in group:
            return None
        if group not in self.groups:
            raise Refusal(404, "NotFound", UNKNOWN_PATH)
        versions = [
            {"groupVersion": f"{group}/{one}", "version": one} for one in self.groups[group]
        ]
        body = {"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": versions}
        return json_answer(body | {"preferredVersion": versions[0]})

    def _answer(self, asked: Asked, place: Place) -> Answer:
        if place.resource in self.unserved:
            raise Refusal(404, "NotFound", UNKNOWN_PATH)
        match asked.verb:
            case "WATCH":
                return Answer(200, lines=self._watched(place, asked))
            case "GET" if place.name:
                return json_answer(self.world.need(place))
            case "GET":
                return json_answer(self._listed(place, asked))
            case "POST" if place.subresource == "eviction":
                return self._evicted(place, asked)
            case "POST" if not place.name:
                return json_answer(self.world.insert(place, asked), 201)
            case "PUT" | "PATCH" | "DELETE" if place.name:
                return json_answer(self._written(place, asked))
            case _:
                message = "the server does not allow this method on the requested resource"
                raise Refusal(405, "MethodNotAllowed", message)

    def _written(self, place: Place, asked: Asked) -> Json:
        if place.subresource == "status" and not place.has_status:
            raise Refusal(404, "NotFound", UNKNOWN_PATH)
        held = self.world.need(place)
        match asked.method:
            case "DELETE":
                return self._deleted(place, held, asked)
            case "PUT":
                return self._replaced(place, held, asked.body)
            case _:
                return self._patched(place, held, asked)

    def _replaced(self, place: Place, held: Json, body: Json) -> Json:
        meta, uid = body.get("metadata") or {}, held["metadata"].get("uid", "")
        if place.needs_version and not meta.get("resourceVersion"):
            raise invalid(
                f'{place.resource} "{place.name}" is invalid: metadata.resourceVersion:'
                " Invalid value: 0: must be specified for an update"
            )
        _expect_version(place, held, meta)
        if meta.get("uid") not in (None, uid):
            raise uid_replaced(place.resource, place.name, meta["uid"], uid)
        return self.world.change(place, body)

    def _patched(self, place: Place, held: Json, asked: Asked) -> Json:
        if asked.content_type == "application/json-patch+json":
            return self.world.change(place, patched(held, asked.body))
        if asked.content_type != "application/merge-patch+json":
            message = f"the double does not know patches of type {asked.content_type}"
            raise Refusal(415, "UnsupportedMediaType", message)
        meta = asked.body.get("metadata") or {}
        _expect_version(place, held, meta)
        if meta.get("uid") not in (None, held["metadata"].get("uid")):
            # No Conflict: the API server takes it for the wish to change the uid.
            why = f'metadata.uid: Invalid value: "{meta["uid"]}": field is immutable'
            raise invalid_object(place, held, why)
        return self.world.change(place, merged(held, asked.body))

    def _deleted(self, place: Place, held: Json, asked: Asked) -> Json:
        options = asked.body if isinstance(asked.body, dict) else {}
        _expect(place, held, options.get("preconditions") or {})
        left = self.world.delete(place)
        if left is not None:
            return left
        details = {"name": place.name, "kind": place.plural, "uid": held["metadata"].get("uid")}
        return success(**(details | ({"group": place.group} if place.group else {})))

    def _evicted(self, place: Place, asked: Asked) -> Answer:
        held = self.world.need(place)
        options = asked.body.get("deleteOptions") or {}
        _expect(place, held, options.get("preconditions") or {})
        self.may_evict(held)
        self.world.delete(place)
        return json_answer(success(), 201)

    def _listed(self, place: Place, asked: Asked) -> Json:
        shape = _shape(asked)
        token = asked.query.get("continue", "")
        if token:
            version, rest = self._pages.get(token, ("-1", []))
            if int(version) < self.world.oldest:
                raise expired("The provided continue parameter is too old to display a list.")
        else:
            version = str(self.version)
            rest = [raw for raw in self.world.all_of(place) if selector(asked.query)(raw)]
        limit = int(asked.query.get("limit") or len(rest) or 1)
        meta = {"resourceVersion": version}
        if rest[limit:]:
            meta["continue"] = f"{version}:{len(self._pages)}"
            self._pages[meta["continue"]] = (version, rest[limit:])
        items = [shape(raw) for raw in rest[:limit]]
        return {"apiVersion": place.api_version, "kind": "List", "metadata": meta, "items": items}

    async def _watched(self, place: Place, asked: Asked) -> AsyncIterator[bytes]:
        watch = Watch(self.world, place, asked, _shape(asked))
        self._watches.append(watch)
        try:
            async for line in watch.lines():
                yield line
        finally:
            self._watches.remove(watch)


def _expect_version(place: Place, held: Json, asked: Json) -> None:
    if asked.get("resourceVersion") not in (None, "", held["metadata"].get("resourceVersion")):
        raise modified(place.resource, place.name)


def _expect(place: Place, held: Json, preconditions: Json) -> None:
    """Refuse to delete what is not the object that is meant."""
    uid = held["metadata"].get("uid", "")
    if preconditions.get("uid") not in (None, uid):
        raise uid_recreated(full_kind(place, held), place.name, preconditions["uid"], uid)
    _expect_version(place, held, preconditions)


def _shape(asked: Asked) -> Callable[[Json], Json]:
    """Cut objects to their metadata where only that was asked for."""
    if "as=PartialObjectMetadata" not in asked.headers.get("Accept", ""):
        return lambda raw: raw
    return lambda raw: {
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": raw["metadata"],
    }
