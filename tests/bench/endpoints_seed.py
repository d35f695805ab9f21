"""The first version of endpoints, rewritten from its description, as a process of its own (NA).

    a Service comes, changes or goes                            its key
    Endpoints do, and there is a Service of their name          its key
    a pod does that names networks                              the keys of Services that select it
    a key: the one network of its Service; pods of every namespace with its labels; what their old
    status annotation says of a network of that name; Endpoints, whatever they say; two Events

A key waits twice as long each time it comes, which nothing resets, and all share a bucket of ten a
second. One worker; five requests a second, Events among them. What fails is dropped.

No row needs net-attach-defs that are created again, or selections as JSON: they are left out.
Where the description leaves a choice, this takes the cheaper one: lists and watches do not count as
requests, and what a pod is selected by is looked up. ``python -m tests.bench.endpoints_seed
KUBECONFIG``; prints what it asks for, and ``at rest`` when nothing waits any more.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from moorage_endpoints.kinds import ENDPOINTS, NADS, SERVICES
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.store import Change, Store
from moorage_kube.client.client import EVERYTHING, Client
from moorage_kube.client.connection import load_connection
from moorage_kube.client.errors import KubeError
from moorage_kube.client.kinds import EVENTS, PODS

Raw = dict[str, Any]
NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/networks-status"
AT_REST = "at rest"
WROTE = "update endpoints"
_FIRST_SECONDS, _MOST_SECONDS = 0.005, 1000.0
_DOUBLED = 18  # more often is more than the most


@dataclass
class Bucket:
    """Tokens that come at a rate; who takes one too many waits for it."""

    per_second: float
    most: float
    _left: float = field(init=False)
    _at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._left = self.most

    def take(self) -> float:
        """Seconds to wait for the token."""
        now = time.monotonic()
        self._left = min(self.most, self._left + (now - self._at) * self.per_second) - 1.0
        self._at = now
        return max(0.0, -self._left / self.per_second)


class Keys:
    """The queue: a key that comes again waits longer, and stays where it is due earlier."""

    def __init__(self) -> None:
        self._bucket = Bucket(10.0, 100.0)
        self._times: Counter[str] = Counter()
        self._due: dict[str, float] = {}
        self._came = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: str) -> None:
        """It comes once more."""
        own = min(_FIRST_SECONDS * 2.0 ** min(self._times[key], _DOUBLED), _MOST_SECONDS)
        self._times[key] += 1
        due = time.monotonic() + max(own, self._bucket.take())
        self._due[key] = min(due, self._due.get(key, due))
        self._came.set()

    async def next(self) -> str:
        """The first one that is due."""
        while True:
            self._came.clear()
            key = min(self._due, key=self._due.__getitem__, default="")
            wait = self._due[key] - time.monotonic() if key else None
            if wait is not None and wait <= 0:
                del self._due[key]
                return key
            try:
                async with asyncio.timeout(wait):
                    await self._came.wait()
            except TimeoutError:
                continue


class FirstVersion:
    """The controller."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._keys = Keys()
        self._requests = Bucket(5.0, 10.0)
        self._events: asyncio.Queue[Raw] = asyncio.Queue()
        self._unsent = 0
        self._working = self._resting = False
        self._services, self._endpoints, self._pods, self._nads = (Store(_whole) for _ in range(4))
        # By namespace and one of the labels of a selector.
        self._selecting: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._services.subscribe(self._service_changed)
        self._endpoints.subscribe(self._endpoints_changed)
        self._pods.subscribe(self._pod_changed)

    async def run(self) -> None:
        """Work until killed."""
        kinds = {SERVICES: self._services, ENDPOINTS: self._endpoints, PODS: self._pods}
        async with asyncio.TaskGroup() as group:
            informers = [
                Informer(self._client, kind, store, EVERYTHING)
                for kind, store in (kinds | {NADS: self._nads}).items()
            ]
            for informer in informers:
                group.create_task(informer.run())
            for informer in informers:
                await informer.listed.wait()
            group.create_task(self._send())
            while True:
                key = await self._keys.next()
                self._working = True
                await self._sync(key)
                self._working = False
                self._say_whether_at_rest()

    def _service_changed(self, change: Change[Raw]) -> None:
        for raw, keep in ((change.old, False), (change.new, True)):
            selector = ((raw or {}).get("spec") or {}).get("selector") or {}
            for label, value in list(selector.items())[:1]:
                found = self._selecting[change.key.partition("/")[0], label, value]
                (found.add if keep else found.discard)(change.key)
        self._add(change.key)

    def _endpoints_changed(self, change: Change[Raw]) -> None:
        if change.key in self._services:
            self._add(change.key)

    def _pod_changed(self, change: Change[Raw]) -> None:
        raw = change.new or change.old or {}
        if NETWORKS not in _annotations(raw):
            return
        namespace, labels = raw["metadata"]["namespace"], _labels(raw)
        for label, value in labels.items():
            for key in self._selecting.get((namespace, label, value), ()):
                service = self._services.get(key)
                if service and _selects(service["spec"]["selector"], labels):
                    self._add(key)

    async def _sync(self, key: str) -> None:
        service, endpoints = self._services.get(key), self._endpoints.get(key)
        if service is None or endpoints is None:
            return
        networks = [one for one in _annotations(service).get(NETWORKS, "").split(",") if one]
        if len(networks) != 1:
            return
        name = networks[0].strip().rpartition("/")[2].partition("@")[0]
        selector = service["spec"].get("selector") or {}
        pods = (pod for pod in self._pods.values() if _selects(selector, _labels(pod)))
        meta = endpoints["metadata"] | {"ownerReferences": [_owner(service)]}
        body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta}
        body["subsets"] = _subsets(service, pods, name)
        if not await self._ask(WROTE, partial(self._client.replace, ENDPOINTS, body)):
            return
        for about, kind in ((endpoints, "Endpoints"), (service, "Service")):
            self._unsent += 1
            self._events.put_nowait(_event(about, kind, networks[0]))

    async def _send(self) -> None:
        """Events, one after the other."""
        while True:
            event = await self._events.get()
            await self._ask("create events", partial(self._client.create, EVENTS, event))
            self._unsent -= 1
            self._say_whether_at_rest()

    async def _ask(self, what: str, request: Callable[[], Awaitable[object]]) -> bool:
        await asyncio.sleep(self._requests.take())
        try:
            await request()
        except KubeError as error:
            _say(f"failed: {error}")
            return False
        _say(what)
        return True

    def _add(self, key: str) -> None:
        self._keys.add(key)
        if self._resting:
            self._resting = False
            _say("a key waits")

    def _say_whether_at_rest(self) -> None:
        if not (self._resting or self._working or len(self._keys) or self._unsent):
            self._resting = True
            _say(AT_REST)


def _whole(raw: Raw) -> Raw:
    return raw


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _annotations(raw: Raw) -> Mapping[str, str]:
    return raw["metadata"].get("annotations") or {}


def _labels(raw: Raw) -> Mapping[str, str]:
    return raw["metadata"].get("labels") or {}


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _owner(service: Raw) -> Raw:
    meta = service["metadata"]
    same = {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"]}
    return same | {"controller": True, "blockOwnerDeletion": True}


def _subsets(service: Raw, pods: Iterator[Raw], network: str) -> list[Raw]:
    """Pods with the same ports are one subset."""
    found: dict[str, Raw] = {}
    for pod in pods:
        ports = list(_ports(service, pod))
        for address in _addresses(pod, network):
            subset = found.setdefault(json.dumps(ports), {"addresses": [], "ports": ports})
            subset["addresses"].append(address)
    for subset in found.values():
        subset["addresses"].sort(key=lambda one: one["ip"])
    return [found[key] for key in sorted(found)]


def _addresses(pod: Raw, network: str) -> Iterator[Raw]:
    try:
        status = json.loads(_annotations(pod).get(STATUS, ""))
    except ValueError:
        return
    meta = pod["metadata"]
    # With the version: each change of a pod is one of its Endpoints.
    target = {"kind": "Pod"} | {
        key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")
    }
    for one in status:
        if one.get("name") == network:
            for ip in one.get("ips") or ():
                yield {"ip": ip, "nodeName": pod["spec"].get("nodeName"), "targetRef": target}


def _ports(service: Raw, pod: Raw) -> Iterator[Raw]:
    for port in service["spec"].get("ports") or ():
        number = port.get("targetPort") or port["port"]
        if isinstance(number, str):
            number = _named(pod, number, port["protocol"])
        if number:
            yield {"name": port.get("name", ""), "port": number, "protocol": port["protocol"]}


def _named(pod: Raw, name: str, protocol: str) -> int:
    """The number of a port of a pod; 0 = it has none of that name."""
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if (port.get("name"), port.get("protocol")) == (name, protocol):
                return int(port["containerPort"])
    return 0


def _event(about: Raw, kind: str, network: str) -> Raw:
    meta = about["metadata"]
    involved = {"kind": kind, "apiVersion": "v1"} | {
        key: meta[key] for key in ("name", "namespace", "uid")
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
        "involvedObject": involved,
        "type": "Normal",
        "reason": f"Updated to use network {network}",
        "message": "Endpoints update successful",
        "source": {"component": "k8s-net-attach-def-controller"},
    }


async def _main() -> None:
    async with Client(load_connection(sys.argv[1]), user_agent="first-version") as client:
        await FirstVersion(client).run()


if __name__ == "__main__":
    asyncio.run(_main())
