"""What may happen in a random life of the controller of Services, and what must hold after it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from builtin_controllers import BuiltinControllers
from endpoints_checks import addresses, companions, is_rewritten
from endpoints_lab import NS, entry, put_network, put_pod, put_service, slices_of

from moorage_endpoints import names
from moorage_endpoints.kinds import ENDPOINTS, SERVICES, SLICES
from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_kube.client.kinds import NODES, PODS
from moorage_testing.apiserver import ApiServer
from moorage_testing.harness import World
from moorage_testing.harness.troubles import refuse_writes

Raw = dict[str, Any]
SERVICES_OF_A_LIFE = ("a", "b", "c", "d")
PODS_OF_A_LIFE = tuple(f"p{number}" for number in range(6))
MODES = (None, "handover", "companion", "legacy", "report")
_SHARE = 0.3


def arrange(server: ApiServer) -> None:
    BuiltinControllers(server)
    put_network(server)
    put_network(server, f"{NS}/more")
    for number in range(3):
        pod(server, f"p{number}", f"10.1.0.{number + 1}", pod_ip=f"10.244.0.{number + 1}")
    put_service(server, "a")
    with_selector(server, "b", "handover")
    with_selector(server, "c", "companion")
    with_selector(server, "d", "legacy")


def pod(server: ApiServer, name: str, *ips: str, **fields: Any) -> None:
    put_pod(server, name, *ips, **fields)


def with_selector(server: ApiServer, name: str, mode: str | None, **fields: Any) -> None:
    notes = {names.SELECTOR: None, names.MODE: mode} | fields.pop("notes", {})
    put_service(server, name, selector={"app": "db"}, notes=notes, **fields)


# What may happen.


def make_or_delete_a_service(world: World, rng: random.Random) -> None:
    name = rng.choice(SERVICES_OF_A_LIFE)
    if world.server.find(SERVICES, name, NS):
        world.server.delete(SERVICES, name, NS)
    elif rng.random() < _SHARE:
        put_service(world.server, name, ipFamilies=rng.choice((["IPv4"], ["IPv4", "IPv6"])))
    else:
        with_selector(world.server, name, rng.choice(MODES))


def change_a_mode(world: World, rng: random.Random) -> None:
    name = rng.choice(SERVICES_OF_A_LIFE)
    if world.server.find(SERVICES, name, NS):
        networks = rng.choice(("net", "net", "net", "more", "net,more", "net,,", None))
        notes = {names.MODE: rng.choice(MODES), names.NETWORKS: networks}
        notes[names.COMPANION_ADDRESS] = rng.choice((None, None, "none", "cluster"))
        world.server.patch(SERVICES, name, {"metadata": {"annotations": notes}}, NS)


def put_a_selector_back(world: World, rng: random.Random) -> None:
    name = rng.choice(SERVICES_OF_A_LIFE)
    if world.server.find(SERVICES, name, NS):
        selector = rng.choice(({"app": "db"}, {"app": "other"}))
        world.server.patch(SERVICES, name, {"spec": {"selector": selector}}, NS)


def make_or_delete_a_pod(world: World, rng: random.Random) -> None:
    name = rng.choice(PODS_OF_A_LIFE)
    if world.server.find(PODS, name, NS):
        world.server.remove(PODS, name, NS)
        return
    number = rng.randint(1, 8)
    labels = {"labels": {"app": rng.choice(("db", "db", "other"))}}
    ips = rng.choice(((f"10.1.0.{number}",), (f"10.1.0.{number}", f"2001:db8::{number}"), ()))
    pod_ip = f"10.244.0.{number}"
    pod(world.server, name, *ips, ready=rng.random() < 0.7, pod_ip=pod_ip, meta=_noted(labels, ips))


def _noted(labels: Raw, ips: tuple[str, ...]) -> Raw:
    return labels | {"annotations": {STATUS_ANNOTATION: status(*ips)}}


def status(*ips: str) -> str:
    return str([entry(*ips)]).replace("'", '"')


def change_a_pod(world: World, rng: random.Random) -> None:
    name = rng.choice(PODS_OF_A_LIFE)
    raw = world.server.find(PODS, name, NS)
    if raw is None:
        return
    meta, state = raw["metadata"], raw["status"]
    choice = rng.randrange(5)
    notes = meta.get("annotations") or {}
    if choice == 0:
        state = state | {"conditions": [{"type": "Ready", "status": rng.choice(("True", "False"))}]}
    elif choice == 1:
        text = rng.choice(("[", "[]", status(f"10.1.0.{rng.randint(1, 8)}")))
        meta = meta | {"annotations": notes | {STATUS_ANNOTATION: text}}
    elif choice == 2:
        meta = meta | {"deletionTimestamp": "2027-01-15T08:00:00Z"}
    elif choice == 3:
        meta = meta | {"labels": {"app": rng.choice(("db", "other"))}}
    else:
        state = state | {"phase": rng.choice(("Running", "Failed"))}
    fields = {"metadata": meta, "spec": raw["spec"], "status": state}
    world.server.put(PODS, name, NS, **fields)


def spoil_a_slice(world: World, rng: random.Random) -> None:
    slices = world.server.all_of(SLICES, NS)
    if not slices:
        return
    name = rng.choice(slices)["metadata"]["name"]
    if rng.random() < 0.5:
        world.server.delete(SLICES, name, NS)
    else:
        world.server.patch(SLICES, name, {"endpoints": []}, NS)


def rewrite_endpoints(world: World, rng: random.Random) -> None:
    found = world.server.all_of(ENDPOINTS, NS)
    if found:
        name = rng.choice(found)["metadata"]["name"]
        world.server.patch(ENDPOINTS, name, {"subsets": [{"addresses": [{"ip": "10.9.9.9"}]}]}, NS)


def move_a_node(world: World, rng: random.Random) -> None:
    labels = {names.ZONE_LABEL: rng.choice("ab")}
    world.server.put(NODES, "n1", metadata={"labels": labels})


HAPPENINGS = (
    make_or_delete_a_service,
    change_a_mode,
    put_a_selector_back,
    make_or_delete_a_pod,
    change_a_pod,
    spoil_a_slice,
    rewrite_endpoints,
    move_a_node,
    refuse_writes,
)


# What must hold.


def all_is_as_it_should_be(server: ApiServer) -> None:
    services = {raw["metadata"]["name"]: raw for raw in server.all_of(SERVICES, NS)}
    for name, raw in services.items():
        notes = raw["metadata"].get("annotations") or {}
        if ",," not in notes.get(names.NETWORKS, ""):
            _is_right(server, name, raw, notes)
    for raw in server.all_of(SLICES, NS):
        labels = raw["metadata"].get("labels") or {}
        if labels.get(names.MANAGED_BY_LABEL) == names.MANAGER:
            assert labels[names.SERVICE_LABEL] in services, f"{raw['metadata']['name']} is left"
    for name in companions(server):
        (owner,) = services[name]["metadata"]["ownerReferences"]
        assert services[owner["name"]]["metadata"]["uid"] == owner["uid"], f"{name} is left"


def _is_right(server: ApiServer, name: str, raw: Raw, notes: Raw) -> None:
    selector = raw["spec"].get("selector")
    mode = notes.get(names.MODE) or "report"
    networks = notes.get(names.NETWORKS)
    mine = addresses(server, name, names.MANAGER)
    others = addresses(server, name, names.KUBERNETES)
    if networks is None or (selector and mode in ("report", "companion", "legacy")):
        assert mine == [], (name, mine)
        assert names.REMEMBERED not in notes, name
    elif selector and mode == "handover":
        # It waits for its first secondary address.
        assert not any(_ready(server, name, names.MANAGER)), name
        assert any(_ready(server, name, names.KUBERNETES)), name
    else:
        assert mine == expected(server, raw, notes, networks), name
        assert others == [], (name, others)
        assert (server.find(ENDPOINTS, name, NS) is None) or names.REMEMBERED not in notes, name
    legacy = selector and networks and mode == "legacy"
    assert legacy or not is_rewritten(server, name), name
    made = [f"{name}-{network}" for network in ("net", "more")]
    left = [one for one in companions(server) if one in made]
    if selector and networks and mode == "handover":
        return  # what was before stays until the first secondary address is ready
    wanted = selector and networks and mode == "companion"
    assert left == ([f"{name}-{networks.split(',')[0]}"] if wanted and networks else []), name


def _ready(server: ApiServer, service: str, manager: str) -> Iterator[bool]:
    for raw in slices_of(server, service, manager):
        for one in raw.get("endpoints") or ():
            yield bool(one["conditions"]["ready"])


def expected(server: ApiServer, service: Raw, notes: Raw, networks: str) -> list[str]:
    """The addresses, by another way than the controller's."""
    text = notes.get(names.REMEMBERED) or ""
    app = "other" if "other" in (text or notes.get(names.SELECTOR, "")) else "db"
    wanted = {one if "/" in one else f"{NS}/{one}" for one in networks.split(",")}
    found = set()
    for raw in server.all_of(PODS, NS):
        notes = raw["metadata"].get("annotations") or {}
        if raw["metadata"]["labels"]["app"] != app or raw["status"]["phase"] == "Failed":
            continue
        text = notes.get(STATUS_ANNOTATION, "[]")
        for one in [] if text == "[" else eval(text):  # noqa: S307 - a text of this test
            if one["name"] in wanted:
                found |= set(one["ips"])
    families = service["spec"]["ipFamilies"]
    return sorted(one for one in found if ("IPv6" if ":" in one else "IPv4") in families)
