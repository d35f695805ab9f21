"""DANM's CNI reserves and frees as DANM does, its faults included, and the checker notices them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from moorage_domain.kinds import Kind
from moorage_testing import virtual_time
from moorage_testing.apiserver import ApiServer
from moorage_testing.danm import Cni, Host, Hosts, InUse, MemoryApi, broken, leaked
from moorage_testing.danm.ipam import freed, fresh, reserved, used

GROUP = "danm.k8s.io"
NETS = Kind(GROUP, "v1", "danmnets", "DanmNet", namespaced=True)
EPS = Kind(GROUP, "v1", "danmeps", "DanmEp", namespaced=True)
NS = "apps"
Raw = dict[str, Any]


def network(**options: Any) -> Raw:
    cidr = "10.0.0.0/28"
    wanted = {"cidr": cidr, "alloc": fresh(cidr)} | options
    return {"metadata": {"name": "net", "namespace": NS}, "spec": {"Options": wanted}}


def test_a_fresh_network_has_its_first_and_last_address_in_use() -> None:
    assert fresh("10.0.0.0/28") == "gAE="
    assert fresh("2001:db8::/120") == "g" + 41 * "A" + "E="


def test_dynamic_is_the_lowest_free_one_of_the_pool() -> None:
    pool = {"start": "10.0.0.4", "end": "10.0.0.5"}
    new, said = reserved(network(allocation_pool=pool), {"ip": "dynamic"})
    assert said == {"ip": "10.0.0.4/28", "ip6": ""}
    new, said = reserved(new, {"ip": "dynamic"})
    assert said["ip"] == "10.0.0.5/28"
    with pytest.raises(InUse):
        reserved(new, {"ip": "dynamic"})


def test_a_static_one_may_lie_outside_of_the_pool_but_not_be_in_use() -> None:
    pool = {"start": "10.0.0.4", "end": "10.0.0.5"}
    new, said = reserved(network(allocation_pool=pool), {"ip": "10.0.0.9/30"})
    assert said["ip"] == "10.0.0.9/28"
    with pytest.raises(InUse):
        reserved(new, {"ip": "10.0.0.9"})


def test_what_is_freed_is_free_whoever_has_it_by_now() -> None:
    new, said = reserved(network(), {"ip": "10.0.0.9"})
    assert used(freed(new, said)["spec"]["Options"], "alloc") == {0, 15}
    assert freed(new, {"ip": "none"}) == freed(new, {"ip": "192.168.0.9/24"}) == new


def test_a_network_without_bits_gives_static_addresses_to_everybody() -> None:
    six = network(
        allocation_pool_v6={"cidr": "2001:db8::100/120"}, alloc6=fresh("2001:db8::100/120")
    )
    new, said = reserved(six, {"ip6": "2001:db8::5"})
    assert new == six
    assert said["ip6"] == "2001:db8::5/120"


class World:
    """Two hosts and a network."""

    def __init__(self) -> None:
        self.server = ApiServer()
        self.server.put(NETS, "net", NS, spec=network()["spec"])
        api = MemoryApi(self.server)
        self.hosts = Hosts()
        for name in ("a", "b"):
            self.hosts.add(Host(name, Cni(api, name)))

    def pod(self, name: str, host: str, ip: str) -> Raw:
        text = json.dumps([{"network": "net", "ip": ip}])
        meta = {"name": name, "namespace": NS, "uid": name}
        pod = {"metadata": meta | {"annotations": {f"{GROUP}/interfaces": text}}}
        self.hosts.by_name[host].run(pod)
        return pod

    def net(self) -> Raw:
        raw = self.server.find(NETS, "net", NS)
        assert raw is not None
        return raw

    def bits(self) -> set[int]:
        return used(self.net()["spec"]["Options"], "alloc") - {0, 15}

    def broken(self) -> list[str]:
        return broken(self.hosts, self.server.all_of(EPS), lambda *_: self.net())

    def leaked(self) -> list[str]:
        return leaked(self.server.all_of(EPS), [self.net()])


def play(story: Callable[[World], Awaitable[None]]) -> None:
    async def whole() -> None:
        world = World()
        try:
            await story(world)
        finally:
            world.hosts.end()

    virtual_time.run(whole())


def test_a_pod_waits_for_the_address_of_another_one_until_that_is_gone() -> None:
    async def story(world: World) -> None:
        world.pod("one", "a", "10.0.0.5")
        await asyncio.sleep(1.0)
        world.pod("two", "b", "10.0.0.5")
        await asyncio.sleep(60.0)
        assert not world.hosts.by_name["b"].running
        world.hosts.by_name["a"].stop_pod("one")
        await asyncio.sleep(10.0)
        assert set(world.hosts.by_name["b"].running) == {"two"}
        assert world.bits() == {5}
        assert world.broken() == world.leaked() == []

    play(story)


def test_a_host_without_power_leaves_everything_behind() -> None:
    async def story(world: World) -> None:
        world.pod("one", "a", "10.0.0.5")
        await asyncio.sleep(1.0)
        world.hosts.by_name["a"].cut_power()
        await asyncio.sleep(60.0)
        assert world.bits() == {5}
        assert len(world.server.all_of(EPS)) == 1

    play(story)


def test_the_checker_notices_an_address_that_two_pods_have_and_one_that_is_free() -> None:
    async def story(world: World) -> None:
        world.pod("one", "a", "10.0.0.5")
        await asyncio.sleep(1.0)
        raw = world.net()
        world.server.put(NETS, "net", NS, spec=network()["spec"], metadata=raw["metadata"])
        (said,) = world.broken()
        assert "10.0.0.5 of one on a is free by its bit" in said
        world.pod("two", "b", "10.0.0.5")
        await asyncio.sleep(10.0)
        assert any("is that of two on b and of one on a" in one for one in world.broken())

    play(story)


def test_the_checker_notices_an_address_that_nobody_has() -> None:
    async def story(world: World) -> None:
        world.pod("one", "a", "10.0.0.5")
        await asyncio.sleep(1.0)
        (endpoint,) = world.server.all_of(EPS)
        world.server.remove(EPS, endpoint["metadata"]["name"], NS)
        assert world.leaked() == ["bit 5 of net"]

    play(story)
