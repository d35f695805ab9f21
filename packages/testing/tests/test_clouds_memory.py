"""The memory cloud beyond the contract: slow, late and failed operations, crashes."""

import asyncio

import pytest

from moorage_provider.errors import (
    InUse,
    InvalidOptions,
    Locked,
    MachineUnfit,
    QuotaExceeded,
    Stale,
    Unavailable,
    Unsupported,
)
from moorage_provider.protocol import CloudAddress, Machine, MachineHolder, OtherHolder
from moorage_testing.clouds.memory import (
    ONE_CALL,
    TWO_STEPS,
    MemoryCloud,
    MemoryProvider,
    create,
    published,
)
from moorage_testing.faults import Fault

IP, OTHER_IP = "203.0.113.10", "203.0.113.11"


class CrashError(BaseException):
    """The controller's process ends here."""


def cloud_of_two(cloud: MemoryCloud) -> tuple[MemoryCloud, MemoryProvider]:
    cloud.add_machine("a")
    cloud.add_machine("b")
    cloud.add_address(IP)
    cloud.add_address(OTHER_IP)
    return cloud, MemoryProvider(cloud)


async def read(provider: MemoryProvider, ip: str = IP) -> CloudAddress:
    return (await provider.snapshot((ip,)))[ip]


async def ready(provider: MemoryProvider, machine_id: str) -> Machine:
    return await provider.machine(machine_id)


async def test_an_operation_takes_effect_after_a_number_of_calls() -> None:
    cloud, provider = cloud_of_two(MemoryCloud(operation_steps=3))
    begun = await provider.attach(await read(provider), await ready(provider, "a"), "r")
    assert (begun.done, cloud.under_way) == (False, (begun.handle,))
    for _ in range(2):
        assert not (await provider.poll(begun.handle)).done
        assert cloud.holder(IP) is None
    assert (await MemoryProvider(cloud).poll(begun.handle)).done
    assert cloud.holder(IP) == MachineHolder("a", "nic-a")


async def test_an_operation_locks_its_machine_and_its_address() -> None:
    _, provider = cloud_of_two(MemoryCloud(operation_steps=9))
    a, b = await ready(provider, "a"), await ready(provider, "b")
    ip, other = await read(provider), await read(provider, OTHER_IP)
    await provider.attach(ip, a, "r")
    for mutation in (provider.attach(ip, b, "r"), provider.attach(other, a, "r")):
        with pytest.raises(Locked):
            await mutation
    assert not (await provider.attach(other, b, "r")).done


async def test_an_operation_may_fail_late_and_then_has_changed_nothing() -> None:
    cloud, provider = cloud_of_two(MemoryCloud())
    address, machine = await read(provider), await ready(provider, "a")
    cloud.faults.inject(Fault(op="attach", late_error=QuotaExceeded("full", "QUOTA")))
    begun = await provider.attach(address, machine, "r")
    assert not begun.done
    with pytest.raises(QuotaExceeded):
        await provider.poll(begun.handle)
    assert cloud.holder(IP) is None
    assert cloud.mutations == []


async def test_an_operation_is_judged_again_when_it_ends() -> None:
    cloud, provider = cloud_of_two(MemoryCloud(operation_steps=2))
    begun = await provider.attach(await read(provider), await ready(provider, "a"), "r")
    cloud.assign(IP, "b")
    assert not (await provider.poll(begun.handle)).done
    with pytest.raises(InUse):
        await provider.poll(begun.handle)
    assert cloud.holder(IP) == MachineHolder("b", "nic-b")


async def test_an_unknown_operation_is_stale() -> None:
    _, provider = cloud_of_two(MemoryCloud())
    with pytest.raises(Stale):
        await provider.poll("op-99")


async def test_a_hook_may_end_the_caller_right_after_any_effect() -> None:
    cloud, provider = cloud_of_two(MemoryCloud())
    address, machine = await read(provider), await ready(provider, "a")
    ops: list[str] = []

    def crash(op: str) -> None:
        ops.append(op)
        raise CrashError

    cloud.after_mutation = crash
    with pytest.raises(CrashError):
        await provider.attach(address, machine, "r")
    assert ops == ["attach"]
    assert cloud.holder(IP) == MachineHolder("a", "nic-a")
    # Repeating it has no effect, so nothing ends.
    assert (await provider.attach(address, machine, "r")).done
    assert cloud.mutations == [("attach", frozenset({IP, "a"}))]


async def test_two_steps_need_a_cleared_target_and_have_no_move() -> None:
    cloud, provider = cloud_of_two(MemoryCloud(TWO_STEPS))
    address, machine = await read(provider), await ready(provider, "a")
    with pytest.raises(InUse) as refusal:
        await provider.attach(address, machine, "r")
    assert refusal.value.owner == machine.public_ip
    with pytest.raises(Unsupported):
        await provider.move(address, machine, "r")
    await provider.prepare(address, machine, "r")
    assert cloud.machine("a").public_ip == ""
    await provider.attach(address, machine, "r")
    await provider.detach(await read(provider), "r")
    assert cloud.machine("a").public_ip == ""
    await provider.restore(machine, "r")
    assert cloud.machine("a").public_ip


async def test_preparing_never_removes_a_reserved_address() -> None:
    cloud, provider = cloud_of_two(MemoryCloud(TWO_STEPS))
    cloud.assign(IP, "a")
    await provider.prepare(await read(provider), await ready(provider, "a"), "r")
    assert cloud.holder(IP) == MachineHolder("a", "nic-a")


async def test_one_call_clouds_assign_and_remove_ephemeral_addresses_themselves() -> None:
    cloud, provider = cloud_of_two(MemoryCloud(ONE_CALL))
    ephemeral = cloud.machine("a").public_ip
    await provider.attach(await read(provider), await ready(provider, "a"), "r")
    assert cloud.machine("a").public_ip == IP
    await provider.move(await read(provider), await ready(provider, "b"), "r")
    assert cloud.machine("a").public_ip not in ("", IP, ephemeral)
    assert not cloud.machine("a").public_ip_reserved


async def test_one_call_clouds_lend_nothing_to_a_machine_of_two_interfaces() -> None:
    cloud, provider = cloud_of_two(MemoryCloud(ONE_CALL))
    cloud.add_interface("a")
    cloud.assign(IP, "a")
    await provider.detach(await read(provider), "r")
    assert cloud.machine("a").public_ip == ""
    await provider.restore(await ready(provider, "a"), "r")
    assert cloud.machine("a").public_ip


@pytest.mark.parametrize("frees", [True, False])
async def test_a_terminated_machine_frees_its_address_or_leaves_it_on_its_interface(
    frees: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    cloud, provider = cloud_of_two(MemoryCloud(frees_on_termination=frees))
    cloud.assign(IP, "a")
    cloud.terminate("a")
    left = await read(provider)
    assert left.holder == (None if frees else MachineHolder("a", "nic-a"))
    await provider.detach(left, "r")
    assert cloud.holder(IP) is None


async def test_the_wrong_location_is_refused_before_anything_changes() -> None:
    cloud = MemoryCloud()
    cloud.add_machine("a", location="west")
    cloud.add_address(IP, location="east")
    provider = MemoryProvider(cloud)
    with pytest.raises(MachineUnfit, match=r"203\.0\.113\.10 can be used in east, a is in west"):
        await provider.attach(await read(provider), await ready(provider, "a"), "r")
    assert cloud.mutations == []


async def test_an_answer_lost_after_the_work_leaves_the_effect() -> None:
    cloud, provider = cloud_of_two(MemoryCloud())
    address, machine = await read(provider), await ready(provider, "a")
    cloud.faults.inject(Fault(op="attach", drop="after"), Fault(op="detach", drop="before"))
    with pytest.raises(Unavailable):
        await provider.attach(address, machine, "r")
    assert cloud.holder(IP) == MachineHolder("a", "nic-a")
    with pytest.raises(Unavailable):
        await provider.detach(await read(provider), "r")
    assert cloud.holder(IP) == MachineHolder("a", "nic-a")


async def test_latency_passes_while_others_work() -> None:
    cloud, provider = cloud_of_two(MemoryCloud(latency_seconds=0.05))
    async with asyncio.timeout(0.5):
        await asyncio.gather(*(provider.snapshot((IP,)) for _ in range(100)))
    assert len(cloud.faults.calls) == 100


async def test_a_fault_of_http_is_refused_by_a_cloud_without_http() -> None:
    cloud, provider = cloud_of_two(MemoryCloud())
    cloud.faults.inject(Fault(op="snapshot", status=429))
    with pytest.raises(ValueError, match="speaks no HTTP"):
        await provider.snapshot((IP,))


def test_the_holders_are_read_without_a_call() -> None:
    cloud, _ = cloud_of_two(MemoryCloud())
    cloud.assign(IP, OtherHolder("load balancer"))
    assert cloud.holders == {IP: OtherHolder("load balancer"), OTHER_IP: None}
    assert cloud.faults.calls == ()


async def test_a_published_cloud_is_found_by_its_region() -> None:
    cloud, _ = cloud_of_two(MemoryCloud())
    with published(cloud, "west"):
        provider = create({"region": "west", "timeout_seconds": "3"})
        assert set(await provider.snapshot((IP,))) == {IP}
        assert provider.machine_id(cloud.provider_id("a")) == "a"
        with pytest.raises(ValueError, match="already"), published(cloud, "west"):
            pass
    with pytest.raises(InvalidOptions, match="west"):
        create({"region": "west"})


async def test_ten_thousand_runs_are_cheap_and_equal() -> None:
    async def run() -> list[tuple[str, frozenset[str]]]:
        cloud, provider = cloud_of_two(MemoryCloud())
        await provider.attach(await read(provider), await ready(provider, "a"), "r")
        await provider.move(await read(provider), await ready(provider, "b"), "r")
        await provider.detach(await read(provider), "r")
        return cloud.mutations

    first = await run()
    async with asyncio.timeout(60):
        for _ in range(10_000):
            assert await run() == first
