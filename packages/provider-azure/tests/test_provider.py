"""What is specific to Azure, over HTTPS against the emulated one."""

import asyncio
import itertools
import subprocess
import sys
from dataclasses import replace

import pytest

from moorage_provider.errors import (
    AddressNotFound,
    CloudError,
    InUse,
    InvalidOptions,
    Locked,
    MachineNotFound,
    MachineUnfit,
    Stale,
    Throttled,
    Unavailable,
    Unsupported,
)
from moorage_provider.protocol import (
    CloudAddress,
    Machine,
    MachineHolder,
    OtherHolder,
    PendingMutation,
)
from moorage_provider_azure.binding import FEW_INTERFACES
from moorage_provider_azure.mapping import MACHINE_TAG
from moorage_provider_azure.provider import THREADS, AzureProvider, create
from moorage_testing.clouds.azure import ArmEmulator
from moorage_testing.faults import Fault

WRITE = "networkInterfaces.createOrUpdate"
_numbers = itertools.count(1)


async def fresh(emulator: ArmEmulator, provider: AzureProvider) -> tuple[CloudAddress, Machine]:
    """A free address and a machine without one."""
    ip = f"192.0.2.{next(_numbers)}"
    emulator.world.add_address(ip)
    (instance,) = emulator.world.add_instances(1)
    return (await provider.snapshot((ip,)))[ip], await provider.machine(instance.id)


async def attached(emulator: ArmEmulator, provider: AzureProvider) -> tuple[CloudAddress, Machine]:
    """An address and the machine that has it."""
    address, machine = await fresh(emulator, provider)
    await done(provider, await provider.attach(address, machine, "before"))
    return await read(provider, address.ip), machine


async def read(provider: AzureProvider, ip: str) -> CloudAddress:
    return (await provider.snapshot((ip,)))[ip]


async def done(provider: AzureProvider, operation: PendingMutation) -> None:
    async with asyncio.timeout(10):
        while not operation.done:
            operation = await provider.poll(operation.handle)


def writes(emulator: ArmEmulator, since: int = 0) -> int:
    return emulator.faults.ops(since).count(WRITE)


def tags(emulator: ArmEmulator, machine: Machine) -> dict[str, str]:
    row = emulator._account.get(machine.interface_id)
    return dict(row["tags"])


def test_importing_and_creating_loads_no_sdk() -> None:
    code = (
        "import sys; from moorage_provider_azure.provider import create; create({});"
        "sys.exit(any(name.split('.')[0] in ('azure', 'msal') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  # our own command


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_an_invalid_deadline_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptions, match="timeout_seconds"):
        create({"timeout_seconds": text})


async def test_without_a_subscription_the_message_says_where_to_set_it(
    provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID")
    with pytest.raises(InvalidOptions, match="AZURE_SUBSCRIPTION_ID"):
        await provider.snapshot(("192.0.2.1",))


async def test_an_unknown_subscription_is_an_invalid_option(
    provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "00000000-0000-0000-0000-00000000000f")
    with pytest.raises(InvalidOptions, match="SubscriptionNotFound"):
        await provider.snapshot(("192.0.2.1",))


async def test_a_region_hides_all_others(emulator: ArmEmulator, provider: AzureProvider) -> None:
    address, machine = await fresh(emulator, provider)
    here, there = create({"region": "West Europe"}), create({"region": "eastus"})
    assert set(await here.snapshot((address.ip,))) == {address.ip}
    assert await there.snapshot((address.ip,)) == {}
    assert await here.machine(machine.machine_id) == machine
    with pytest.raises(MachineNotFound, match="westeurope"):
        await there.machine(machine.machine_id)
    await here.close()
    await there.close()


async def test_sec_05_a_machine_of_another_subscription_is_not_asked_for(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    _, machine = await fresh(emulator, provider)
    elsewhere = machine.machine_id.replace("0001", "0002")
    since = len(emulator.faults.calls)
    with pytest.raises(MachineNotFound, match="subscription"):
        await provider.machine(elsewhere)
    assert emulator.faults.ops(since) == ()


async def test_a_snapshot_costs_what_it_needs_to(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    free, _ = await fresh(emulator, provider)
    held, _ = await attached(emulator, provider)
    many = [(await attached(emulator, provider))[0].ip for _ in range(FEW_INTERFACES)]
    emulator.world.add_instances(50)

    async def cost(*ips: str) -> tuple[str, ...]:
        since = len(emulator.faults.calls)
        await provider.snapshot(ips)
        return emulator.faults.ops(since)

    assert await cost() == ()
    single = ("publicIPAddresses.listAll", "networkInterfaces.get")
    assert await cost(free.ip, held.ip) == single
    lists = ("publicIPAddresses.listAll", "networkInterfaces.listAll")
    assert await cost(free.ip, held.ip, *many) == lists
    # Only what is in no other list can be on a Uniform scale set.
    assert await cost(held.ip, "192.0.2.254") == (*single, "virtualMachineScaleSets.listAll")


async def test_an_address_that_was_read_before_is_read_alone(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    ip = "192.0.2.77"
    emulator.world.add_address(ip)

    async def read() -> tuple[object, tuple[str, ...]]:
        since = len(emulator.faults.calls)
        found = await provider.snapshot((ip,))
        return found.get(ip), emulator.faults.ops(since)

    alone, listed = "publicIPAddresses.get", "publicIPAddresses.listAll"
    first, calls = await read()
    assert calls == (listed,)
    assert await read() == (first, (alone,))
    emulator.world.remove_address(ip)
    # That it has another reference by now only a list can tell.
    gone, calls = await read()
    assert (gone, calls[:2]) == (None, (alone, listed))
    emulator.world.add_address(ip)
    again, _ = await read()
    assert again


async def test_long_lists_are_read_page_by_page(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    held = [await attached(emulator, provider) for _ in range(5)]
    emulator.page_size = 2
    since = len(emulator.faults.calls)
    read_back = await provider.snapshot([address.ip for address, _ in held])
    assert {address.ip: address for address, _ in held} == read_back
    assert emulator.faults.ops(since) == (
        *("publicIPAddresses.listAll",) * 3,
        *("networkInterfaces.listAll",) * 3,
    )


async def test_only_the_named_resource_groups_are_read(
    emulator: ArmEmulator, provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [(await attached(emulator, provider))[0] for _ in range(FEW_INTERFACES + 1)]
    held = many[0]
    monkeypatch.setenv("MOORAGE_AZURE_RESOURCE_GROUPS", "moorage, nodes")
    here = create({})
    since = len(emulator.faults.calls)
    assert (await here.snapshot([one.ip for one in many]))[held.ip] == held
    assert emulator.faults.ops(since) == (
        *("publicIPAddresses.list",) * 2,
        *("networkInterfaces.list",) * 2,
    )
    monkeypatch.setenv("MOORAGE_AZURE_RESOURCE_GROUPS", "nodes")
    elsewhere = create({})
    assert await elsewhere.snapshot((held.ip,)) == {}
    await here.close()
    await elsewhere.close()


async def test_a_missing_resource_group_is_an_invalid_option(
    emulator: ArmEmulator, provider: AzureProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORAGE_AZURE_RESOURCE_GROUPS", "nowhere")
    emulator.faults.inject(
        Fault(op="publicIPAddresses.list", status=404, code="ResourceGroupNotFound")
    )
    with pytest.raises(InvalidOptions, match="nowhere"):
        await provider.snapshot(("192.0.2.1",))


async def test_an_address_on_an_interface_that_cannot_be_read_is_never_taken(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    held, _ = await attached(emulator, provider)
    interface = emulator._account.get(held.holder.interface_id)  # type: ignore[union-attr]  # it has one
    emulator._account.remove(interface)
    read_back = await read(provider, held.ip)
    assert isinstance(read_back.holder, OtherHolder)
    assert interface["id"] in read_back.holder.description


@pytest.mark.parametrize(
    ("to", "words"), [("loadBalancer", "frontendIPConfigurations"), ("natGateway", "NAT gateway")]
)
async def test_a_holder_that_is_no_machine_is_described(
    emulator: ArmEmulator, provider: AzureProvider, to: str, words: str
) -> None:
    address, machine = await fresh(emulator, provider)
    holder = emulator.world.associate_elsewhere(address.ip, to=to)
    read_back = await read(provider, address.ip)
    assert isinstance(read_back.holder, OtherHolder)
    assert words in read_back.holder.description
    assert holder in read_back.holder.description
    # Read as free before that, it is not taken either.
    with pytest.raises(InUse) as refusal:
        await provider.attach(address, machine, "one")
    assert refusal.value.owner == read_back.holder.description


async def test_a_write_keeps_everything_else(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)

    def described() -> object:
        row = emulator._account.get(machine.interface_id)
        properties = dict(row["properties"])
        (part,) = properties.pop("ipConfigurations")
        rest = {k: v for k, v in part["properties"].items() if k != "publicIPAddress"}
        return row["location"], row["tags"]["owner"], properties, part["name"], rest

    before = described()
    await done(provider, await provider.attach(address, machine, "one"))
    assert described() == before
    await done(provider, await provider.detach(await read(provider, address.ip), "two"))
    assert described() == before


async def test_a_move_is_two_writes(emulator: ArmEmulator, provider: AzureProvider) -> None:
    address, source = await attached(emulator, provider)
    _, target = await fresh(emulator, provider)
    since = len(emulator.faults.calls)
    await done(provider, await provider.detach(address, "one"))
    free = await read(provider, address.ip)
    await done(provider, await provider.attach(free, target, "two"))
    assert writes(emulator, since) == 2
    assert emulator.world.holder(address.ip) == target.machine_id
    assert (await provider.machine(source.machine_id)).public_ip == ""
    with pytest.raises(Unsupported, match="two steps"):
        await provider.move(address, target, "three")


async def test_a_machines_interface_is_tagged_while_it_holds_an_address(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await attached(emulator, provider)
    assert tags(emulator, machine) == {"owner": "platform", MACHINE_TAG: machine.machine_id}
    await done(provider, await provider.detach(address, "one"))
    assert tags(emulator, machine) == {"owner": "platform"}


async def test_no_tag_is_added_beyond_the_limits(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    full = {f"tag-{number}": "x" for number in range(50)}
    emulator._account.get(machine.interface_id)["tags"] = full
    await done(provider, await provider.attach(address, machine, "one"))
    assert tags(emulator, machine) == full


async def test_an_address_left_behind_by_its_machine_is_moved_on(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await attached(emulator, provider)
    _, target = await fresh(emulator, provider)
    emulator.world.terminate(machine.machine_id)
    left = await read(provider, address.ip)
    assert left.holder == MachineHolder(machine.machine_id, machine.interface_id)
    with pytest.raises(MachineNotFound):
        await provider.machine(machine.machine_id)
    await done(provider, await provider.detach(left, "one"))
    free = await read(provider, address.ip)
    assert free.holder is None
    await done(provider, await provider.attach(free, target, "two"))
    assert emulator.world.holder(address.ip) == target.machine_id


async def test_an_address_left_behind_that_we_never_moved_is_a_foreign_machines(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.associate(address.ip, machine.machine_id)
    emulator.world.terminate(machine.machine_id)
    left = await read(provider, address.ip)
    assert left.holder == MachineHolder(machine.interface_id, machine.interface_id)
    with pytest.raises(MachineNotFound):
        await provider.machine(machine.interface_id)
    await done(provider, await provider.detach(left, "one"))
    assert (await read(provider, address.ip)).holder is None


async def test_an_address_whose_interface_went_with_its_machine_is_detached(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await attached(emulator, provider)
    emulator.world.terminate(machine.machine_id, with_interface=True)
    since = len(emulator.faults.calls)
    assert (await provider.detach(address, "one")).done
    assert writes(emulator, since) == 0


async def test_a_machine_of_a_flexible_scale_set_is_an_ordinary_one(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, _ = await fresh(emulator, provider)
    (instance,) = emulator.world.add_instances(1, flexible="pool")
    machine = await provider.machine(instance.id)
    assert provider.check(address, machine) is None
    await done(provider, await provider.attach(address, machine, "one"))
    assert emulator.world.holder(address.ip) == machine.machine_id


async def test_an_instance_of_a_uniform_scale_set_is_shown_and_never_written(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    free, _ = await fresh(emulator, provider)
    ip = "198.51.100.1"
    one, two = emulator.world.add_scale_set_instances("pool", 2, ips=(ip,))
    emulator.world.add_instances(1, flexible="other")
    held = await read(provider, ip)
    assert held.holder == MachineHolder(one.id, one.interface_id)
    assert provider.machine_id(one.provider_id) == one.id
    machine = await provider.machine(one.id)
    assert (machine.running, machine.public_ip, machine.private_ip) == (True, ip, one.private_ip)
    target = await provider.machine(two.id)
    reason = provider.check(free, target)
    assert reason is not None
    assert reason.startswith(free.ip)
    assert "instances of a Uniform scale set cannot be given a chosen address" in reason
    since = len(emulator.faults.calls)
    with pytest.raises(Unsupported, match="Uniform"):
        await provider.attach(free, target, "one")
    with pytest.raises(Unsupported, match="Uniform"):
        await provider.detach(held, "two")
    assert emulator.faults.ops(since) == ()


async def test_a_stopped_machine_keeps_its_address_and_is_not_running(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await attached(emulator, provider)
    emulator.world.stop(machine.machine_id)
    stopped = await provider.machine(machine.machine_id)
    assert (stopped.running, stopped.public_ip) == (False, address.ip)
    emulator.world.start(machine.machine_id)
    assert (await provider.machine(machine.machine_id)).running


async def test_a_change_by_somebody_else_is_never_undone(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    # The fence is called between the read and the write.
    provider.fence = lambda: emulator.world.touch(machine.machine_id)
    with pytest.raises(Stale):
        await provider.attach(address, machine, "one")
    held, holder = await fresh(emulator, provider)
    emulator.world.associate(held.ip, holder.machine_id)
    held = await read(provider, held.ip)
    provider.fence = lambda: emulator.world.touch(holder.machine_id)
    with pytest.raises(Stale):
        await provider.detach(held, "two")
    assert emulator.world.holder(held.ip) == holder.machine_id


async def test_a_refused_version_is_no_failure_where_all_is_done_already(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    provider.fence = lambda: emulator.world.associate(address.ip, machine.machine_id)
    assert (await provider.attach(address, machine, "one")).done
    held = await read(provider, address.ip)
    provider.fence = lambda: emulator.world.disassociate(address.ip)
    assert (await provider.detach(held, "two")).done


async def test_the_error_for_an_address_taken_in_between_names_its_owner(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    _, thief = await fresh(emulator, provider)
    provider.fence = lambda: emulator.world.associate(address.ip, thief.machine_id)
    with pytest.raises(InUse) as refusal:
        await provider.attach(address, machine, "one")
    assert refusal.value.owner == thief.machine_id


async def test_an_address_freed_in_between_is_tried_again(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op=WRITE, status=400, code="PublicIPAddressInUse"))
    with pytest.raises(Stale):
        await provider.attach(address, machine, "one")


async def test_an_address_of_another_region_is_unfit_and_one_that_is_gone_is_not_found(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.add_address("198.51.100.1", location="eastus")
    elsewhere = await read(provider, "198.51.100.1")
    with pytest.raises(MachineUnfit, match="same region"):
        await provider.attach(elsewhere, machine, "one")
    emulator.world.remove_address(address.ip)
    with pytest.raises(AddressNotFound):
        await provider.attach(address, machine, "two")


async def test_an_interface_that_went_to_another_machine_is_left_alone(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await attached(emulator, provider)
    free, other = await fresh(emulator, provider)
    row = emulator._account.get(machine.interface_id)
    row["properties"]["virtualMachine"] = {"id": other.machine_id}
    since = len(emulator.faults.calls)
    with pytest.raises(Stale):
        await provider.detach(address, "one")
    with pytest.raises(Stale):
        await provider.attach(free, machine, "two")
    assert writes(emulator, since) == 0


async def test_a_change_that_failed_late_is_made_by_the_next_write(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op=WRITE, late=True, code="InternalServerError", message="no"))
    accepted = await provider.attach(address, machine, "one")
    with pytest.raises(CloudError, match="InternalServerError: no"):
        await done(provider, accepted)
    assert emulator.world.provisioning_state(machine.machine_id) == "Failed"
    await done(provider, await provider.attach(address, machine, "two"))
    assert emulator.world.holder(address.ip) == machine.machine_id


async def test_an_address_that_is_only_described_as_there_is_written_again(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await attached(emulator, provider)
    emulator.world.let_last_write_fail(machine.machine_id)
    await done(provider, await provider.attach(address, machine, "one"))
    assert emulator.world.provisioning_state(machine.machine_id) == "Succeeded"
    # The other way round: detached only in the description.
    emulator.world.let_last_write_fail(machine.machine_id)
    (part,) = emulator._account.get(machine.interface_id)["properties"]["ipConfigurations"]
    reference = part["properties"].pop("publicIPAddress")
    since = len(emulator.faults.calls)
    await done(provider, await provider.detach(address, "two"))
    assert writes(emulator, since) == 1
    assert reference["id"].lower() == address.reference


async def test_an_accepted_operation_is_polled_until_it_is_done(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op=WRITE, operation_seconds=0.3))
    accepted = await provider.attach(address, machine, "one")
    # Network asks to wait so long for the first look, and its answers then ask for nothing.
    assert accepted.poll_after == 10.0
    assert await provider.poll(accepted.handle) == replace(accepted, poll_after=0.0)
    # Only a path: it cannot lead to another host.
    assert accepted.handle.startswith("/subscriptions/")
    with pytest.raises(Locked) as locked:
        await provider.attach(address, machine, "two")
    assert locked.value.retry_after == 1.0
    assert locked.value.code == "RetryableErrorDueToAnotherOperation"
    await done(provider, accepted)
    assert emulator.world.holder(address.ip) == machine.machine_id
    # Azure still knows it for a while after it is done.
    assert (await provider.poll(accepted.handle)).done


OPERATION = "/subscriptions/{}/providers/Microsoft.Network/locations/x/operations/{}?api-version=1"


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "https://127.0.0.1:1" + OPERATION.format("00000000-0000-0000-0000-000000000001", "1"),
        "//127.0.0.1:1" + OPERATION.format("00000000-0000-0000-0000-000000000001", "1"),
        "@127.0.0.1:1" + OPERATION.format("00000000-0000-0000-0000-000000000001", "1"),
        OPERATION.format("00000000-0000-0000-0000-000000000002", "1"),
        OPERATION.format("00000000-0000-0000-0000-000000000001", "../../../x"),
        OPERATION.format("00000000-0000-0000-0000-000000000001", "1\r\nX-Header: 1"),
        "gASVKAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjA1pZCA+",
    ],
)
async def test_a_handle_that_leads_elsewhere_is_refused_and_not_followed(
    emulator: ArmEmulator, provider: AzureProvider, handle: str
) -> None:
    with pytest.raises(Stale):
        await provider.poll(handle)
    assert emulator.faults.ops() == ()


async def test_an_unknown_operation_is_stale(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    handle = OPERATION.format("00000000-0000-0000-0000-000000000001", "1")
    with pytest.raises(Stale):
        await provider.poll(handle)
    assert emulator.faults.ops() == ("operations.get",)


async def test_an_administrators_lock_holds_up_one_address(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.lock(machine.machine_id)
    with pytest.raises(Locked, match="scope"):
        await provider.attach(address, machine, "one")


async def test_a_read_is_repeated_once_and_a_write_never(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op="publicIPAddresses.get", drop="before"))
    since = len(emulator.faults.calls)
    assert await read(provider, address.ip) == address
    assert emulator.faults.ops(since) == ("publicIPAddresses.get",) * 2
    emulator.faults.inject(Fault(op=WRITE, drop="before"))
    since = len(emulator.faults.calls)
    with pytest.raises(Unavailable):
        await provider.attach(address, machine, "one")
    assert writes(emulator, since) == 1


async def test_no_thread_sleeps_for_as_long_as_azure_asks_to_wait(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    code, headers = "TooManyRequests", {"Retry-After": "600"}
    emulator.faults.inject(Fault(op=".*", status=429, code=code, headers=headers))
    with pytest.raises(Throttled) as read_refused:
        await provider.snapshot((address.ip,))
    emulator.faults.inject(Fault(op=WRITE, status=429, code=code, headers=headers))
    with pytest.raises(Throttled) as write_refused:
        await provider.attach(address, machine, "one")
    assert (read_refused.value.retry_after, write_refused.value.retry_after) == (600.0, 600.0)


async def test_a_web_page_in_place_of_an_answer_is_no_answer(
    emulator: ArmEmulator, provider: AzureProvider
) -> None:
    emulator.faults.inject(Fault(op="publicIPAddresses.listAll", status=502))
    with pytest.raises(Unavailable, match="502"):
        await provider.snapshot(("192.0.2.1",))
    emulator.faults.inject(Fault(op="publicIPAddresses.listAll", status=200))
    with pytest.raises(Unavailable):
        await provider.snapshot(("192.0.2.1",))


async def test_nothing_is_sent_after_the_deadline(
    emulator: ArmEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOORAGE_AZURE_CREDENTIALS")
    for name, value in emulator.identity.items():
        monkeypatch.setenv(name, value)
    hasty = create({"timeout_seconds": "1.2"})
    # The token comes too late for the call that needs it.
    emulator.faults.inject(Fault(op="identity.getToken", delay_seconds=1.3))
    with pytest.raises(Unavailable, match=r"1\.2 s"):
        await hasty.snapshot(("192.0.2.1",))
    await hasty.close()
    hasty._sdk._reading.shutdown(wait=True)
    assert set(emulator.faults.ops()) == {"identity.getToken"}


async def test_a_call_in_the_queue_is_dropped_at_the_deadline(emulator: ArmEmulator) -> None:
    hasty = create({"timeout_seconds": "1.2"})
    address, _ = await fresh(emulator, hasty)
    emulator.faults.inject(Fault(op="publicIPAddresses.get", delay_seconds=1.3, times=None))
    since = len(emulator.faults.calls)
    results = await asyncio.gather(
        *(hasty.snapshot((address.ip,)) for _ in range(10 * THREADS)), return_exceptions=True
    )
    assert {type(result) for result in results} == {Unavailable}
    await hasty.close()
    hasty._sdk._reading.shutdown(wait=True)
    assert len(emulator.faults.ops(since)) < 10 * THREADS
