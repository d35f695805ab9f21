"""The double of the API server answers as the real one does: the same calls, the same answers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable
from typing import Any

import pytest

from moorage_api import DEFINITIONS
from moorage_api.crds import crd
from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_kube.client.client import Client, ListQuery, Target
from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.credentials import FixedCredentials
from moorage_kube.client.errors import KubeError
from moorage_kube.client.kinds import CONFIGMAPS, LEASES, NAMESPACES, NODES, PODS
from moorage_testing.apiserver import serve_with_client
from moorage_testing.cluster import EmbeddedCluster

Json = dict[str, Any]

_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# What the real one adds from its storage, the key in etcd with it.
_STORAGE = re.compile(r"StorageError: .*AdditionalErrorMsg: ")


class Dialogue:
    """One conversation with a server, written down in a form that two servers can agree on."""

    def __init__(self, client: Client, namespace: str, label: str) -> None:
        self.client = client
        self.namespace = namespace
        self.label = label
        self.lines: list[tuple[str, object]] = []

    async def say(self, what: str, call: Awaitable[Any]) -> Json:
        """Make a call; what it answered, ``{}`` for a refusal."""
        try:
            answer = await call
        except KubeError as error:
            message = self._common(error.message)
            self.lines.append((what, (error.status, error.reason, message)))
            return {}
        self.lines.append((what, self._cut(answer)))
        return answer if isinstance(answer, dict) else {}

    def note(self, what: str, observed: object) -> None:
        """Write down something worked out from answers."""
        self.lines.append((what, observed))

    def _common(self, text: str) -> str:
        text = _STORAGE.sub("", text)
        return _UID.sub("UID", text.replace(self.namespace, "SPACE").replace(self.label, "LABEL"))

    def _cut(self, answer: object) -> object:
        if not isinstance(answer, dict):
            return answer
        meta = answer.get("metadata", {})
        kept = {
            key: meta[key] for key in ("finalizers", "labels", "generation", "name") if key in meta
        }
        kept["deleting"] = "deletionTimestamp" in meta
        kept["given"] = {"uid", "resourceVersion", "creationTimestamp"} <= meta.keys()
        parts = {key: answer[key] for key in ("kind", "data", "status") if key in answer}
        return eval(self._common(repr(kept | parts)))  # noqa: S307 - of our own values


def meta(name: str, namespace: str | None = None, **more: Any) -> Json:
    given = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"metadata": given | more}


async def config_maps(talk: Dialogue) -> None:
    """A kind without status and generation, replaced with or without a version."""
    client, space, kind = talk.client, talk.namespace, CONFIGMAPS
    one = Target("one", space)
    body = {"apiVersion": "v1", "kind": "ConfigMap"} | meta("one", space) | {"data": {"a": "1"}}
    made = await talk.say("create", client.create(kind, body))
    await talk.say("create again", client.create(kind, body))
    await talk.say("create without a name", client.create(kind, {"metadata": {}}, space))
    await talk.say("get", client.get(kind, "one", space))
    await talk.say("get what is not there", client.get(kind, "two", space))
    await talk.say("merge", client.patch(kind, one, {"data": {"a": None, "b": "2"}}))
    same = await talk.say("merge nothing", client.patch(kind, one, {"data": {"b": "2"}}))
    again = await talk.say("merge nothing again", client.patch(kind, one, {"data": {"b": "2"}}))
    talk.note("a patch that changes nothing", _version(same) == _version(again))
    old = {"metadata": {"resourceVersion": _version(made)}, "data": {"c": "3"}}
    await talk.say("merge on an old version", client.patch(kind, one, old))
    await talk.say("replace an old version", client.replace(kind, made))
    bare = body | {"data": {"d": "4"}}
    await talk.say("replace without a version", client.replace(kind, bare))
    await talk.say("replace what is not there", client.replace(kind, body | meta("two", space)))
    await _json_patches(talk, one)
    await talk.say("a status of none", client.patch(kind, Target("one", space, "status"), {}))
    await talk.say("delete another uid", client.delete(kind, "one", space, uid="other"))
    await talk.say("delete", client.delete(kind, "one", space, uid=made["metadata"]["uid"]))
    await talk.say("delete again", client.delete(kind, "one", space))
    await talk.say("patch what is gone", client.patch(kind, one, {"data": {}}))


async def _json_patches(talk: Dialogue, one: Target) -> None:
    failing: list[list[Json]] = [
        [{"op": "test", "path": "/data/d", "value": "5"}],
        [{"op": "test", "path": "/nowhere/d", "value": "5"}],
        [{"op": "remove", "path": "/data/x"}],
        [{"op": "replace", "path": "/data/x", "value": "1"}],
        [{"op": "add", "path": "/data/x/y", "value": "1"}],
    ]
    for operations in failing:
        what = f"JSON patch {operations[0]['op']} {operations[0]['path']}"
        await talk.say(what, talk.client.patch(CONFIGMAPS, one, operations))
    good: list[Json] = [
        {"op": "test", "path": "/data/d", "value": "4"},
        {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
        {"op": "add", "path": "/metadata/labels/example.com~1a", "value": "5"},
        {"op": "move", "from": "/data/d", "path": "/data/g"},
        {"op": "copy", "from": "/data/g", "path": "/data/h"},
        {"op": "replace", "path": "/data/h", "value": "6"},
        {"op": "remove", "path": "/data/g"},
    ]
    await talk.say("JSON patch", talk.client.patch(CONFIGMAPS, one, good))


async def allocations(talk: Dialogue) -> None:
    """A kind of a CRD: status apart from spec, generations, finalizers."""
    client, name, kind = talk.client, talk.label, NETIPALLOCATIONS
    spec: Json = {"reservedIPs": ["203.0.113.10"], "cloud": {"provider": "aws"}}
    spec["nodeSelector"] = {"pool": name}
    body = {"apiVersion": kind.api_version, "kind": kind.name, "spec": spec, **meta(name)}
    made = await talk.say("create", client.create(kind, body | {"status": {"bound": 7}}))
    one, status = Target(name), Target(name, subresource="status")
    await talk.say("spec", client.patch(kind, one, {"spec": {"reservedIPs": ["203.0.113.11"]}}))
    await talk.say("status by the object", client.patch(kind, one, {"status": {"bound": 1}}))
    await talk.say("status", client.patch(kind, status, {"status": {"bound": 1}}))
    more = {"spec": {"reservedIPs": []}, "metadata": {"labels": {"a": "b"}}}
    await talk.say("spec by the status", client.patch(kind, status, more))
    await talk.say("labels", client.patch(kind, one, {"metadata": {"labels": {"a": "b"}}}))
    await talk.say("another uid", client.patch(kind, one, {"metadata": {"uid": "other"}}))
    await talk.say("replace without a version", client.replace(kind, body))
    await talk.say("replace an old version", client.replace(kind, made))
    await talk.say("delete another uid", client.delete(kind, name, uid="other"))
    finalizers = {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}}
    await talk.say("finalizers", client.patch(kind, one, finalizers))
    await talk.say("delete", client.delete(kind, name))
    await talk.say("deleting", client.get(kind, name))
    await talk.say("delete again", client.delete(kind, name))
    late = {"metadata": {"finalizers": ["example.com/a", "example.com/late"]}}
    await talk.say("a finalizer too late", client.patch(kind, one, late))
    first = {"metadata": {"finalizers": ["example.com/a"]}}
    await talk.say("one finalizer off", client.patch(kind, one, first))
    await talk.say(
        "the last finalizer off", client.patch(kind, one, {"metadata": {"finalizers": None}})
    )
    await talk.say("gone", client.get(kind, name))


async def lease(talk: Dialogue) -> None:
    """A Lease is replaced only by who knows its version."""
    client, space = talk.client, talk.namespace
    body = meta("l", space) | {"spec": {"holderIdentity": "a"}}
    made = await talk.say("create", client.create(LEASES, body))
    await talk.say("replace", client.replace(LEASES, made))
    await talk.say("replace without a version", client.replace(LEASES, body))
    newer = await talk.say(
        "renew", client.replace(LEASES, made | {"spec": {"holderIdentity": "b"}})
    )
    await talk.say("replace an old version", client.replace(LEASES, made))
    talk.note("versions grow", int(_version(newer)) > int(_version(made)))


async def pods_and_nodes(talk: Dialogue) -> None:
    """Evictions, and a node's status, which its creation brings along."""
    client, space = talk.client, talk.namespace
    container = {"name": "c", "image": "none"}
    body = meta("p", space) | {"spec": {"containers": [container], "schedulerName": "nobody"}}
    pod = await client.create(PODS, body)
    one = Target("p", space, "eviction")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction"} | meta("p", space)
    # Without a version the API server tries such an eviction again for ten seconds, which is just
    # as long as the client waits for an answer.
    version = pod["metadata"]["resourceVersion"]
    wrong = {"uid": "other", "resourceVersion": version}
    other = eviction | {"deleteOptions": {"preconditions": wrong}}
    await talk.say("evict another uid", client.create_under(PODS, one, other))
    right = eviction | {"deleteOptions": {"preconditions": {"uid": pod["metadata"]["uid"]}}}
    await talk.say("evict", client.create_under(PODS, one, right))
    await talk.say("evict again", client.create_under(PODS, one, right))
    conditions = [{"type": "Mine", "status": "True"}]
    node = await client.create(NODES, meta(talk.label) | {"status": {"conditions": conditions}})
    talk.note("a node's status at creation", node["status"]["conditions"][0]["type"])
    renamed: Json = {"metadata": {"uid": "other", "labels": {"a": "b"}}}
    await talk.say("label another uid", client.patch(NODES, Target(talk.label), renamed))
    renamed["metadata"]["resourceVersion"] = "1"
    await talk.say("label an old version", client.patch(NODES, Target(talk.label), renamed))
    body = node | {"metadata": node["metadata"] | {"uid": "other"}}
    await talk.say("replace another uid", client.replace(NODES, body))
    await client.delete(NODES, talk.label)


async def lists_and_watches(talk: Dialogue) -> None:
    """Pages, selectors, and what a watch with a selector is sent."""
    client, space = talk.client, talk.namespace
    for number in range(5):
        labels = {"odd": str(number % 2), "in": talk.label}
        await client.create(CONFIGMAPS, meta(f"m{number}", space, labels=labels))
    pages = [
        [raw["metadata"]["name"] for raw in page.items]
        async for page in client.pages(CONFIGMAPS, ListQuery(f"in={talk.label}", limit=2))
    ]
    talk.note("pages", pages)
    for selector in (
        "odd=1",
        "odd!=1,odd",
        "odd in (1,2)",
        "odd notin (1),odd",
        "!odd,in",
        "odd==0",
    ):
        query = ListQuery(selector, f"metadata.namespace={space}", space)
        found = await client.list_all(CONFIGMAPS, query)
        talk.note(selector, [raw["metadata"]["name"] for raw in found])
    (cut, *_) = await client.list_all(
        CONFIGMAPS, ListQuery("odd", namespace=space, metadata_only=True)
    )
    talk.note("metadata only", sorted(cut))
    await _watch(talk)
    made = await client.create(CONFIGMAPS, {"metadata": {"generateName": "made-"}}, space)
    talk.note("a generated name", (made["metadata"]["name"][:5], len(made["metadata"]["name"])))


async def _watch(talk: Dialogue) -> None:
    client, space = talk.client, talk.namespace
    query = ListQuery("odd=1", namespace=space)
    pages = [page async for page in client.pages(CONFIGMAPS, query)]
    one = Target("m0", space)
    await client.patch(CONFIGMAPS, one, {"data": {"not": "told"}})
    await client.patch(CONFIGMAPS, one, {"metadata": {"labels": {"odd": "1"}}})
    await client.patch(CONFIGMAPS, one, {"data": {"a": "b"}})
    await client.patch(CONFIGMAPS, one, {"metadata": {"labels": {"odd": "0"}}})
    await client.delete(CONFIGMAPS, "m1", space)
    reported: list[tuple[str, str]] = []
    async for event in client.watch(CONFIGMAPS, query, pages[-1].resource_version):
        reported.append((event.type, event.object["metadata"]["name"]))
        if len(reported) == 4:
            break
    talk.note("watched", reported)


def _version(raw: Json) -> str:
    return str(raw["metadata"]["resourceVersion"])


TALKS = (config_maps, allocations, lease, pods_and_nodes, lists_and_watches)


async def _with_the_double(talk: Any, namespace: str, label: str) -> list[tuple[str, object]]:
    async with serve_with_client() as (_, client):
        dialogue = Dialogue(client, namespace, label)
        await talk(dialogue)
    return dialogue.lines


async def _with_the_real_one(
    cluster: EmbeddedCluster, talk: Any, namespace: str, label: str
) -> list[tuple[str, object]]:
    source = FixedCredentials(Credentials(token=cluster.token))
    ca = cluster.ca_file.read_text()
    async with Client(Connection(cluster.server, source, "the test", ca=ca)) as client:
        await client.create(NAMESPACES, meta(namespace))
        dialogue = Dialogue(client, namespace, label)
        try:
            await talk(dialogue)
        finally:
            await client.delete(NAMESPACES, namespace)
    return dialogue.lines


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.__name__)
async def test_the_same_calls_get_the_same_answers(cluster: EmbeddedCluster, talk: Any) -> None:
    cluster.apply([crd(definition) for definition in DEFINITIONS])
    plural = f"{NETIPALLOCATIONS.plural}.{NETIPALLOCATIONS.group}"
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{plural}")
    namespace, label = f"talk-{secrets.token_hex(4)}", f"label-{secrets.token_hex(4)}"
    real = await _with_the_real_one(cluster, talk, namespace, label)
    double = await _with_the_double(talk, namespace, label)
    pairs = zip(double, real, strict=True)
    differences = [f"double: {one}\nreal:   {other}" for one, other in pairs if one != other]
    assert not differences, "\n".join(differences)
