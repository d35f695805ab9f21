"""Run in a process of its own: an API server that has DANM's objects, as pages made beforehand.

``python -m tests.bench.danm_pages ENDPOINTS NODES``; prints its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from aiohttp import web

Raw = dict[str, Any]
NAMESPACE, NETWORK, GROUP = "shop", "net", "danm.k8s.io"
PAGE = 50
_BOOKMARK = b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"10"}}}\n'
_FILLER = {f"E{number}": "v" * 20 for number in range(40)}


def address(number: int) -> str:
    """Of the so-manieth endpoint, in 10.0.0.0/15, which has more than enough."""
    return f"10.{number >> 16 & 1}.{number >> 8 & 255}.{number & 255}"


def pod_name(number: int) -> str:
    return f"web-{number}-5d8f7c9b6-x2x7k"


def _meta(name: str, namespace: str = "", **more: Any) -> Raw:
    place = {"namespace": namespace} if namespace else {}
    return {"name": name, "uid": f"uid-{name}", "resourceVersion": "5", **place, **more}


def _pod(number: int, nodes: int) -> Raw:
    wanted = [{"network": NETWORK, "ip": address(number)}]
    meta = _meta(
        pod_name(number),
        NAMESPACE,
        annotations={f"{GROUP}/interfaces": json.dumps(wanted)},
        labels={"app": "web", "pod-template-hash": "5d8f7c9b6"},
        ownerReferences=[{"kind": "ReplicaSet", "name": f"web-{number}-5d8f7c9b6", "uid": "rs",
                          "controller": True}],
    )  # fmt: skip
    env = [{"name": key, "value": value} for key, value in _FILLER.items()]
    containers = [{"name": "main", "image": "registry/image:1", "env": env}]
    spec = {"nodeName": f"node-{number % nodes}", "containers": containers}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Running"}}


def _endpoint(number: int, nodes: int) -> Raw:
    spec = {
        "NetworkName": NETWORK, "NetworkType": "ipvlan", "apiType": "DanmNet",
        "EndpointID": f"ep-{number}", "Host": f"node-{number % nodes}", "Pod": pod_name(number),
        "PodUID": f"uid-{pod_name(number)}", "CID": "c" * 64, "netns": "/proc/1/ns/net",
        "Interface": {"Name": "eth0", "Address": f"{address(number)}/15", "AddressIPv6": "",
                      "MacAddress": "02:00:00:00:00:01"},
    }  # fmt: skip
    return {"metadata": _meta(f"ep-{number}", NAMESPACE), "spec": spec}


def _node(number: int, _: int) -> Raw:
    conditions = [{"type": "Ready", "status": "True"}]
    labels = {"kubernetes.io/hostname": f"node-{number}"}
    return {
        "metadata": _meta(f"node-{number}", labels=labels),
        "status": {"conditions": conditions},
    }


def _network(_: int, __: int) -> Raw:
    pool = {"start": "10.1.255.1", "end": "10.1.255.254"}
    options = {"cidr": "10.0.0.0/15", "allocation_pool": pool}
    return {
        "metadata": _meta(NETWORK, NAMESPACE),
        "spec": {"NetworkID": NETWORK, "Options": options},
    }


def _pages(make: Callable[[int, int], Raw], count: int, nodes: int) -> Iterator[bytes]:
    for begin in range(0, max(count, 1), PAGE):
        end = min(begin + PAGE, count)
        meta = {"resourceVersion": "10"} | ({"continue": str(end)} if end < count else {})
        items = [make(number, nodes) for number in range(begin, end)]
        yield orjson.dumps({"metadata": meta, "items": items})


def pages(endpoints: int, nodes: int) -> dict[str, list[bytes]]:
    """All pages by the plural of their kind."""
    made = {
        "pods": (_pod, endpoints),
        "danmeps": (_endpoint, endpoints),
        "nodes": (_node, nodes),
        "danmnets": (_network, 1),
    }
    return {name: list(_pages(make, count, nodes)) for name, (make, count) in made.items()}


async def main() -> None:
    """Serve until killed. Kinds that are not known have no objects; watches are silent."""
    known = pages(*map(int, sys.argv[1:]))
    empty = [orjson.dumps({"metadata": {"resourceVersion": "10"}, "items": []})]

    async def listed(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            response = web.StreamResponse()
            with contextlib.suppress(ConnectionResetError):  # nobody watches any more
                await response.prepare(request)
                # The real one answers at once; here no header is sent before the first line.
                await response.write(_BOOKMARK)
                await asyncio.sleep(3600.0)
            return response
        # As for the real one, a kind of the other group of DANM is another kind.
        plural = request.path.rpartition("/")[2]
        found = empty if "/danm.io/" in request.path else known.get(plural, empty)
        page = found[int(request.query.get("continue", 0)) // PAGE]
        return web.Response(body=page, content_type="application/json")

    application = web.Application()
    application.router.add_get("/{tail:.*}", listed)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
