"""OpenShift as it is, by claims: machine-api-operator makes no VM before all of them are bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from lab_admission import STOCK, AdmissionLab, play_admission
from lab_machines import NS, devices_of, spec_of

from moorage_api.ippool import IPPOOLS
from moorage_machine_ipam.kinds import MACHINES
from moorage_testing.apiserver import Fault

Raw = dict[str, Any]
Play: TypeAlias = Callable[..., None]


def pool(name: str = "lab", resource: str = "ippools") -> Raw:
    return {"group": "ipamcontroller.openshift.io", "resource": resource, "name": name}


def device(*pools: Raw, **more: Any) -> Raw:
    return {"networkName": "lab", "addressesFromPools": list(pools), **more}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(story: Any, text: str = "", **settings: Any) -> None:
        claims_only = {} if text else {"hook_config": "", "webhook_machines": False}
        play_admission(tmp_path / "ipam-config.yaml", story, text, **(claims_only | settings))

    return run


@pytest.mark.parametrize("settings", [{}, {"watch_machines": True}], ids=["alone", "watching"])
def test_the_stock_flow(play: Play, settings: Any) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.pool(namespace=NS)
        spec = spec_of([device(pool(), nameservers=["192.0.2.53"])], {})
        for name in ("a", "b"):
            await lab.create(name, labels={}, spec=spec)
        await lab.step()
        assert lab.openshift.addresses() == {"a": ("192.168.100.2",), "b": ("192.168.100.3",)}
        assert {vm.kargs for vm in lab.openshift.vms.values()} == {
            f"ip=192.168.100.{last}::192.168.100.1:255.255.255.0:::none nameserver=192.0.2.53 "
            for last in (2, 3)
        }
        (condition,) = lab.get("a")["status"]["providerStatus"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("True", "IPAddressesClaimed")
        claim = lab.find_claim("a-claim-0-0", NS)
        assert claim is not None
        assert claim["spec"]["poolRef"]["kind"] == "ippools", "as people write it"
        assert "machine.openshift.io/ip-claim-protection" in claim["metadata"]["finalizers"]
        lab.patch_machine("a", {"spec": {"lifecycleHooks": {"preTerminate": [{"name": "x"}]}}})
        lab.delete("a")
        await lab.step()
        assert lab.held("Bound") == {"192.168.100.2", "192.168.100.3"}, "its VM is up"
        lab.patch_machine("a", {"spec": {"lifecycleHooks": None}})
        await lab.step()
        assert lab.openshift.addresses() == {"b": ("192.168.100.3",)}
        assert lab.held("Quarantined") == {"192.168.100.2"}
        assert lab.find_claim("a-claim-0-0", NS) is None

    play(story, **settings)


def test_alloc_dual_stack_two_pools(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.pool(namespace=NS)
        lab.server.put(
            IPPOOLS,
            "six",
            NS,
            spec={"address-cidr": "2001:db8:1::/64", "prefix": 64},
        )
        both = device(pool(), pool("six", "IPPool"), nameservers=["2001:db8::53"])
        await lab.create("a", labels={}, spec=spec_of([both, {"networkName": "dhcp"}], {}))
        await lab.step()
        (vm,) = lab.openshift.vms.values()
        assert vm.addresses == ("192.168.100.2", "2001:db8:1::1")
        assert vm.kargs == (
            "ip=192.168.100.2::192.168.100.1:255.255.255.0:::none "
            "ip=[2001:db8:1::1]:::64:::none nameserver=[2001:db8::53] "
        )

    play(story)


def test_without_an_address_there_is_no_vm(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        await lab.create("a", labels={}, spec=spec_of([device(pool())], {}))
        await lab.step()
        assert lab.openshift.vms == {}
        (condition,) = lab.get("a")["status"]["providerStatus"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("False", "WaitingForIPAddress")
        assert lab.reason("a-claim-0-0", NS) == "PoolNotReady"
        lab.pool(namespace=NS)
        await lab.step()
        assert lab.openshift.addresses() == {"a": ("192.168.100.2",)}

    play(story)


def test_a_claim_that_was_there_before_its_machine_is_adopted(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.pool(namespace=NS)
        lab.claim("first", "a-claim-0-0", namespace=NS)
        await lab.world.pass_time(1.0)
        await lab.create("a", labels={}, spec=spec_of([device(pool())], {}))
        await lab.step()
        assert lab.openshift.addresses() == {"a": ("192.168.100.3",)}

    play(story)


def test_two_of_many_machines_never_have_one_address_in_bad_weather(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.pool(namespace=NS, reuse_delay_seconds=0)
        for number in range(12):
            await lab.create(f"m-{number}", labels={}, spec=spec_of([device(pool())], {}))
            lab.server.faults.append(Fault("POST", drop="after", times=2))
            lab.server.faults.append(Fault("PATCH", 503, times=2))
            lab.openshift.step()
            if number % 3 == 2:
                lab.server.delete(MACHINES, f"m-{number - 1}", NS)
            await lab.world.pass_time(3.0)
            running = [one for found in lab.openshift.addresses().values() for one in found]
            assert len(running) == len(set(running))
        await lab.world.pass_time(400.0)
        for _ in range(5):
            await lab.step(20.0)
        assert len(lab.openshift.vms) == 8
        assert len(lab.held("Bound")) == 8

    play(story)


def test_a_machine_by_claims_and_one_by_the_webhook_get_two_addresses(play: Play) -> None:
    async def story(lab: AdmissionLab) -> None:
        lab.pool(namespace=NS)
        claimed = spec_of([device(pool())], {})
        made = await asyncio.gather(
            lab.create("a", labels={}, spec=claimed), lab.create("b"), lab.create("c")
        )
        await lab.step()
        given = lab.openshift.addresses()
        assert {*given} == {"a", "b", "c"}
        assert len({one for found in given.values() for one in found}) == 3
        assert devices_of(made[1])[0]["gateway"] == "192.168.100.1"

    range_of_the_pool = STOCK.replace("192.168.101.64/28", "192.168.100.0/24")
    play(story, range_of_the_pool.replace("prefix: 23", "prefix: 24"))
