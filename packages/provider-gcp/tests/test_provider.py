"""What is specific to Compute Engine, over HTTP against the emulated one."""

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moorage_provider.errors import (
    CloudError,
    CredentialsRejected,
    InUse,
    InvalidOptions,
    Locked,
    MachineNotFound,
    MachineUnfit,
    QuotaExceeded,
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
from moorage_provider_gcp.mapping import GcpMachine
from moorage_provider_gcp.provider import GcpProvider, create
from moorage_testing.clouds.gcp import GceEmulator
from moorage_testing.faults import Fault

PROJECT = "example-project"
_numbers = itertools.count(1)


def fresh_ip(emulator: GceEmulator, *, tier: str = "PREMIUM", v6: bool = False) -> str:
    number = next(_numbers)
    ip = f"2001:db8:{number:x}::" if v6 else f"192.0.2.{number}"
    emulator.world.add_address(ip, tier=tier)
    return ip


async def fresh(
    emulator: GceEmulator, provider: GcpProvider, *, v6: bool = False
) -> tuple[CloudAddress, Machine]:
    """A free address and a machine without one."""
    ip = fresh_ip(emulator, v6=v6)
    (instance,) = emulator.world.add_instances(1, with_public_ip=False)
    return await read(provider, ip), await provider.machine(instance.id)


async def read(provider: GcpProvider, ip: str) -> CloudAddress:
    return (await provider.snapshot((ip,)))[ip]


async def done(provider: GcpProvider, operation: PendingMutation) -> None:
    async with asyncio.timeout(10):
        while not operation.done:
            operation = await provider.poll(operation.handle)


async def machine_with_ephemeral_address(emulator: GceEmulator, provider: GcpProvider) -> Machine:
    """A machine with an ephemeral address."""
    (instance,) = emulator.world.add_instances(1)
    return await provider.machine(instance.id)


# Start-up.


def test_importing_and_creating_loads_no_sdk() -> None:
    code = (
        "import sys; from moorage_provider_gcp.provider import create; create({});"
        "sys.exit(any(name.split('.')[0] == 'google' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own command


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_an_invalid_deadline_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptions, match="timeout_seconds"):
        create({"timeout_seconds": text})


async def test_without_a_project_the_message_says_where_to_set_it(
    provider: GcpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    with pytest.raises(InvalidOptions, match="MOORAGE_GCP_PROJECT or GOOGLE_CLOUD_PROJECT"):
        await provider.snapshot(("192.0.2.1",))


async def test_the_project_may_be_the_credentials_own(
    emulator: GceEmulator, provider: GcpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOORAGE_GCP_CREDENTIALS")
    for name, value in emulator.identity.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    ip = fresh_ip(emulator)
    assert (await read(provider, ip)).reference.startswith(f"{PROJECT}/")


async def test_an_invalid_region_is_named(emulator: GceEmulator) -> None:
    del emulator  # only that the environment leads to it
    provider = create({"region": "mars-west1"})
    with pytest.raises(InvalidOptions, match="mars-west1"):
        await provider.snapshot(("192.0.2.1",))
    await provider.close()


async def test_credentials_that_come_later_are_found(
    emulator: GceEmulator,
    provider: GcpProvider,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("MOORAGE_GCP_CREDENTIALS")
    with pytest.raises(CredentialsRejected, match="Workload Identity"):
        await provider.snapshot(("192.0.2.1",))
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": "hunter2"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(CredentialsRejected) as broken:
        await provider.snapshot(("192.0.2.1",))
    assert "hunter2" not in str(broken.value)
    for name, value in emulator.identity.items():
        monkeypatch.setenv(name, value)
    assert await provider.snapshot(("192.0.2.254",)) == {}


async def test_every_attempt_with_a_refreshed_token_is_fenced(
    emulator: GceEmulator, provider: GcpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOORAGE_GCP_CREDENTIALS")
    for name, value in emulator.identity.items():
        monkeypatch.setenv(name, value)
    address, machine = await fresh(emulator, provider)
    asked: list[str] = []
    provider.fence = lambda: asked.append("?")
    add = "instances.addAccessConfig"
    emulator.faults.inject(Fault(op=add, status=401, code="authError", times=None))
    since = len(emulator.faults.calls)
    with pytest.raises(CredentialsRejected):
        await provider.attach(address, machine, "one")
    assert emulator.faults.ops(since) == (add,) * len(asked)
    assert len(asked) > 1


async def test_every_repeat_of_a_mutation_is_fenced(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    asked: list[str] = []
    provider.fence = lambda: asked.append("?")
    add = "instances.addAccessConfig"
    emulator.faults.inject(Fault(op=add, drop="before", times=None))
    since = len(emulator.faults.calls)
    with pytest.raises(Unavailable):
        await provider.attach(address, machine, "one")
    assert emulator.faults.ops(since) == (add,) * 3
    assert len(asked) == 3


# Reads.


async def test_one_region_is_one_list(emulator: GceEmulator, provider: GcpProvider) -> None:
    ips = (fresh_ip(emulator), fresh_ip(emulator))
    assert await _listed(emulator, provider, ips) == 'addressType = "EXTERNAL"'


async def test_a_single_address_is_read_by_a_filter(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    ip = fresh_ip(emulator)
    assert await _listed(emulator, provider, (ip,)) == f'address = "{ip}"'


async def _listed(emulator: GceEmulator, provider: GcpProvider, ips: tuple[str, ...]) -> str:
    """The filter of the one list that returned these addresses."""
    since = len(emulator.faults.calls)
    assert set(await provider.snapshot(ips)) == set(ips)
    (call,) = emulator.faults.calls[since:]
    wanted = {"project": PROJECT, "region": emulator.region, "maxResults": "500", "pageToken": ""}
    assert (call.op, {**call.params} | wanted) == ("addresses.list", {**call.params})
    return call.params["filter"]


async def test_without_a_region_all_are_one_list(emulator: GceEmulator) -> None:
    ips = (fresh_ip(emulator), "203.0.113.1", "203.0.113.2")
    emulator.world.add_address(ips[1], region="us-east1")
    emulator.world.add_address(ips[2], region="")
    since = len(emulator.faults.calls)
    provider = create({})
    read_back = await provider.snapshot(ips)
    assert [read_back[ip].location for ip in ips] == [emulator.region, "us-east1", "global"]
    assert emulator.faults.ops(since) == ("addresses.aggregatedList",)
    for ip in ips:
        emulator.world.remove_address(ip)
    await provider.close()


async def test_harm_10_an_address_that_is_being_reserved_is_nobodys_trouble(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    ours, other, coming = "198.51.100.31", "198.51.100.32", "198.51.100.33"
    for ip in (ours, other, coming):
        emulator.world.add_address(ip)
    emulator.world.describe_address(coming, address="")
    assert set(await provider.snapshot((ours, other, coming))) == {ours, other}


async def test_a_region_that_does_not_answer_is_unknown_and_not_empty(
    emulator: GceEmulator,
) -> None:
    emulator.unreachable = ("us-east1",)
    provider = create({})
    with pytest.raises(Unavailable, match="not whole"):
        await provider.snapshot(("192.0.2.254",))
    await provider.close()


WARNING = {"code": "UNREACHABLE", "message": "a part could not be read"}


@pytest.mark.parametrize(
    ("region", "partial"),
    [
        ("", {"unreachables": ["regions/us-east1"]}),
        ("", {"warning": WARNING}),
        ("europe-west1", {"warning": WARNING}),
    ],
)
async def test_harm_10_a_list_that_says_it_is_not_whole_says_of_no_address_that_it_is_absent(
    emulator: GceEmulator, region: str, partial: dict[str, object]
) -> None:
    emulator.partial = partial
    provider = create({"region": region})
    with pytest.raises(Unavailable, match="not whole"):
        await provider.snapshot(("192.0.2.254",))
    await provider.close()


async def test_a_list_that_warns_of_nothing_but_being_empty_is_whole(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    emulator.partial = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "nothing here"}}
    assert await provider.snapshot(("192.0.2.254",)) == {}


async def test_an_access_config_without_an_address_makes_way_for_the_reserved_one(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    free, _ = await fresh(emulator, provider)
    (instance,) = emulator.world.add_instances(1)
    emulator.world.lose_ephemeral_ip(instance.id)
    machine = await provider.machine(instance.id)
    assert (machine.running, machine.public_ip) == (True, "")
    await done(provider, await provider.prepare(free, machine, "one"))
    await done(provider, await provider.attach(free, machine, "one"))
    assert emulator.world.public_ips(instance.id) == (free.ip,)


async def test_an_address_of_a_forwarding_rule_is_described(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    ip = fresh_ip(emulator)
    emulator.world.associate_elsewhere(ip)
    holder = (await read(provider, ip)).holder
    assert isinstance(holder, OtherHolder)
    assert holder.description.startswith(f"{PROJECT}/regions/{emulator.region}/forwardingRules/")


async def test_an_ephemeral_address_is_not_reserved_and_a_promoted_one_is(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    machine = await machine_with_ephemeral_address(emulator, provider)
    assert not machine.public_ip_reserved
    emulator.world.add_address(machine.public_ip)
    kept = await provider.machine(machine.machine_id)
    assert (kept.public_ip, kept.public_ip_reserved) == (machine.public_ip, True)


async def test_a_machine_without_an_address_takes_one_call(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    (instance,) = emulator.world.add_instances(1, with_public_ip=False)
    since = len(emulator.faults.calls)
    assert (await provider.machine(instance.id)).public_ip == ""
    assert emulator.faults.ops(since) == ("instances.get",)


@pytest.mark.parametrize(
    "labels",
    [
        {"goog-k8s-cluster-name": "demo"},
        {"k8s-io-cluster-name": "demo"},
        {"kubernetes-io-cluster-demo": "owned"},
        {"capg-cluster-demo": "owned"},
    ],
)
async def test_a_machine_names_its_cluster(
    emulator: GceEmulator, provider: GcpProvider, labels: dict[str, str]
) -> None:
    (instance,) = emulator.world.add_instances(1, tags={"env": "x"} | labels)
    assert (await provider.machine(instance.id)).cluster == "demo"


async def test_a_machine_of_another_region_is_not_of_this_scope(emulator: GceEmulator) -> None:
    (instance,) = emulator.world.add_instances(1)
    elsewhere = create({"region": "us-east1"})
    with pytest.raises(MachineNotFound, match="us-east1"):
        await elsewhere.machine(instance.id)
    await elsewhere.close()


async def test_an_interface_that_is_not_there_is_named(
    emulator: GceEmulator, provider: GcpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORAGE_GCP_INTERFACE", "nic1")
    (instance,) = emulator.world.add_instances(1)
    with pytest.raises(MachineUnfit, match="nic1"):
        await provider.machine(instance.id)
    emulator.world.add_interface(instance.id)
    machine = await provider.machine(instance.id)
    assert machine.public_ip
    assert (machine.public_ip,) != emulator.world.public_ips(instance.id)


# Machines that can never hold an address.


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"purpose": "NAT_AUTO"}, "reserved for NAT_AUTO"),
        ({"ipVersion": "IPV6", "ipv6EndpointType": "NETLB"}, "load balancers"),
        ({"ipVersion": "IPV6", "networkTier": "STANDARD"}, "PREMIUM only"),
    ],
)
async def test_an_address_for_another_purpose_fits_no_machine(
    emulator: GceEmulator, provider: GcpProvider, fields: dict[str, str], words: str
) -> None:
    address, machine = await fresh(emulator, provider)
    assert provider.check(address, machine) is None
    emulator.world.describe_address(address.ip, **fields)
    reason = provider.check(await read(provider, address.ip), machine)
    assert reason is not None
    assert address.ip in reason
    assert words in reason


async def test_an_address_of_another_project_fits_no_machine(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    link = f"https://www.googleapis.com/compute/v1/projects/other/{address.reference}"
    emulator.world.describe_address(address.ip, selfLink=link)
    reason = provider.check(await read(provider, address.ip), machine)
    assert reason is not None
    assert f"{address.ip} is of project other" in reason


async def test_sec_05_a_machine_of_another_project_is_not_asked_for(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    _, machine = await fresh(emulator, provider)
    since = len(emulator.faults.calls)
    elsewhere = machine.machine_id.replace(PROJECT, "other-project")
    with pytest.raises(MachineNotFound, match=f"no instance of project {PROJECT}"):
        await provider.machine(elsewhere)
    assert emulator.faults.ops(since) == ()


async def test_a_project_set_by_its_number_has_the_machines_of_its_name(
    emulator: GceEmulator, provider: GcpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, machine = await fresh(emulator, provider)
    monkeypatch.setenv("MOORAGE_GCP_PROJECT", "123456789")
    by_number = create({"region": emulator.region})
    assert (await by_number.machine(machine.machine_id)).machine_id == machine.machine_id
    await by_number.close()


async def test_a_global_address_fits_no_machine(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    _, machine = await fresh(emulator, provider)
    emulator.world.add_address("203.0.113.3", region="")
    everywhere = create({})
    reason = everywhere.check(await read(everywhere, "203.0.113.3"), machine)
    await everywhere.close()
    assert reason is not None
    assert "203.0.113.3 is a global address" in reason


async def test_an_interface_of_the_other_ip_version_takes_no_address(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    wide, _ = await fresh(emulator, provider, v6=True)
    emulator.world.set_ipv6_access("INTERNAL")
    emulator.world.set_stack(machine.machine_id, "IPV6_ONLY")
    only6 = await provider.machine(machine.machine_id)
    reasons = [provider.check(one, only6) for one in (address, wide)]
    assert ["IPv6 only" in (reasons[0] or ""), "internal" in (reasons[1] or "")] == [True, True]


async def test_there_is_no_move(emulator: GceEmulator, provider: GcpProvider) -> None:
    address, machine = await fresh(emulator, provider)
    with pytest.raises(Unsupported):
        await provider.move(address, machine, "one")


# Prepare.


async def test_a_machine_without_an_address_needs_no_preparing(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    since = len(emulator.faults.calls)
    assert await provider.prepare(address, machine, "one") == PendingMutation()
    assert emulator.faults.ops(since) == ()


async def test_ipv6_needs_no_preparing(emulator: GceEmulator, provider: GcpProvider) -> None:
    wide, _ = await fresh(emulator, provider, v6=True)
    machine = await machine_with_ephemeral_address(emulator, provider)
    assert await provider.prepare(wide, machine, "one") == PendingMutation()
    assert emulator.world.public_ips(machine.machine_id) == (machine.public_ip,)


async def test_preparing_removes_an_access_config_of_any_name(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, _ = await fresh(emulator, provider)
    machine = await machine_with_ephemeral_address(emulator, provider)
    emulator.world.rename_access_config(machine.machine_id, "external-nat")
    await done(provider, await provider.prepare(address, machine, "one"))
    assert emulator.world.public_ips(machine.machine_id) == ()


async def test_preparing_removes_no_reserved_address_attached_since_the_read(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, _ = await fresh(emulator, provider)
    machine = await machine_with_ephemeral_address(emulator, provider)
    other = fresh_ip(emulator)
    emulator.world.associate(other, machine.machine_id)
    with pytest.raises(InUse) as refusal:
        await provider.prepare(address, machine, "one")
    assert refusal.value.owner == other
    assert emulator.world.holder(other) == machine.machine_id


async def test_preparing_removes_no_ephemeral_address_promoted_since_the_read(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, _ = await fresh(emulator, provider)
    machine = await machine_with_ephemeral_address(emulator, provider)
    emulator.world.add_address(machine.public_ip)
    with pytest.raises(InUse):
        await provider.prepare(address, machine, "one")
    assert emulator.world.holder(machine.public_ip) == machine.machine_id


async def test_preparing_for_the_address_that_is_attached_removes_nothing(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.associate(address.ip, machine.machine_id)
    holding = await provider.machine(machine.machine_id)
    assert await provider.prepare(address, holding, "one") == PendingMutation()
    assert emulator.world.holder(address.ip) == machine.machine_id


# Attach.


async def test_an_attachment_names_instance_by_number_and_the_address_by_its_tier(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    ip = fresh_ip(emulator, tier="STANDARD")
    _, machine = await fresh(emulator, provider)
    since = len(emulator.faults.calls)
    operation = await provider.attach(await read(provider, ip), machine, "one")
    _, call = emulator.faults.calls[since:]
    assert isinstance(machine, GcpMachine)
    assert call.op == "instances.addAccessConfig"
    request_id = call.params["requestId"]
    assert dict(call.params) == {
        "project": PROJECT,
        "zone": machine.zone,
        "instance": machine.number,
        "networkInterface": "nic0",
        "requestId": request_id,
        "name": "External NAT",
        "type": "ONE_TO_ONE_NAT",
        "natIP": ip,
        "networkTier": "STANDARD",
    }
    await done(provider, operation)
    assert emulator.world.holder(ip) == machine.machine_id


async def test_a_recreated_instance_with_the_same_name_is_left_alone(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, bare = await fresh(emulator, provider)
    machine = await machine_with_ephemeral_address(emulator, provider)
    for one in (bare, machine):
        emulator.world.recreate(one.machine_id)
    new = emulator.world.public_ips(machine.machine_id)
    with pytest.raises(Stale, match="was recreated"):
        await provider.attach(address, bare, "one")
    with pytest.raises(Stale, match="was recreated"):
        await provider.prepare(address, machine, "one")
    with pytest.raises(Stale, match="was recreated"):
        await provider.restore(machine, "one")
    assert emulator.world.public_ips(machine.machine_id) == new
    assert emulator.world.holder(address.ip) == ""


async def test_an_instance_that_is_gone_is_not_found(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.terminate(machine.machine_id)
    with pytest.raises(MachineNotFound):
        await provider.attach(address, machine, "one")
    with pytest.raises(MachineNotFound):
        await provider.restore(machine, "one")


async def test_a_stopped_instance_is_unfit_and_its_address_is_detached(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.stop(machine.machine_id)
    assert not (await provider.machine(machine.machine_id)).running
    with pytest.raises(MachineUnfit, match="is TERMINATED"):
        await provider.attach(address, machine, "one")
    emulator.world.associate(address.ip, machine.machine_id)
    await done(provider, await provider.detach(await read(provider, address.ip), "two"))
    assert emulator.world.holder(address.ip) == ""


async def test_an_ephemeral_address_must_be_removed_first(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, _ = await fresh(emulator, provider)
    machine = await machine_with_ephemeral_address(emulator, provider)
    with pytest.raises(MachineUnfit, match=machine.public_ip):
        await provider.attach(address, machine, "one")


async def test_a_refusal_without_a_readable_reason_is_passed_on(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    text = "Constraint constraints/compute.vmExternalIpAccess violated"
    emulator.faults.inject(
        Fault(op="instances.addAccessConfig", status=400, code="invalid", message=text)
    )
    with pytest.raises(CloudError, match="vmExternalIpAccess") as refused:
        await provider.attach(address, machine, "one")
    assert type(refused.value) is CloudError


async def test_another_operation_on_the_instance_is_waited_for(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    other, _ = await fresh(emulator, provider)
    emulator.operation_seconds = 60.0
    await provider.attach(other, machine, "one")
    with pytest.raises(Locked):
        await provider.attach(address, machine, "two")


async def test_a_refusal_because_of_a_holder_that_released_it_is_stale(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    _, another = await fresh(emulator, provider)
    emulator.world.associate(address.ip, another.machine_id)
    held = await read(provider, address.ip)
    emulator.world.disassociate(address.ip)
    emulator.faults.inject(Fault(op="instances.addAccessConfig", status=400, code="invalid"))
    with pytest.raises(Stale):
        await provider.attach(held, machine, "one")


async def test_a_step_requested_again_while_it_runs_is_the_same_operation(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.operation_seconds = 60.0
    first = await provider.attach(address, machine, "one")
    restarted = create({"region": emulator.region})
    assert await restarted.attach(address, machine, "one") == first
    await restarted.close()


async def test_a_step_repeated_after_it_was_undone_is_done_again(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    for _ in range(3):
        await done(provider, await provider.attach(address, machine, "attach"))
        held = await read(provider, address.ip)
        assert held.holder == MachineHolder(machine.machine_id)
        await done(provider, await provider.detach(held, "detach"))
        assert emulator.world.holder(address.ip) == ""
        await done(provider, await provider.restore(machine, "restore"))
        lending = await provider.machine(machine.machine_id)
        assert lending.public_ip
        await done(provider, await provider.prepare(address, lending, "prepare"))
        assert emulator.world.public_ips(machine.machine_id) == ()


async def test_a_step_repeated_after_it_failed_is_tried_again(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op="instances.addAccessConfig", late=True, code="INTERNAL_ERROR"))
    accepted = await provider.attach(address, machine, "same")
    with pytest.raises(Unavailable):
        await done(provider, accepted)
    await done(provider, await provider.attach(address, machine, "same"))
    assert emulator.world.holder(address.ip) == machine.machine_id


async def test_one_request_id_stands_for_different_steps(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    other, another = await fresh(emulator, provider)
    await done(provider, await provider.attach(address, machine, "same"))
    await done(provider, await provider.attach(other, another, "same"))
    assert emulator.world.holder(other.ip) == another.machine_id


# Detach.


async def test_only_the_access_config_that_shows_the_address_is_deleted(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.associate(address.ip, machine.machine_id)
    emulator.world.rename_access_config(machine.machine_id, "by-hand")
    held = await read(provider, address.ip)
    nic = emulator.world.add_interface(machine.machine_id)
    since = len(emulator.faults.calls)
    await done(provider, await provider.detach(held, "one"))
    call = emulator.faults.calls[since + 1]
    assert (call.params["networkInterface"], call.params["accessConfig"]) == ("nic0", "by-hand")
    assert nic == "nic1"


async def test_detaching_from_an_instance_that_is_gone_is_done(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.associate(address.ip, machine.machine_id)
    held = await read(provider, address.ip)
    emulator.world.terminate(machine.machine_id)
    since = len(emulator.faults.calls)
    assert await provider.detach(held, "one") == PendingMutation()
    assert emulator.faults.ops(since) == ("instances.get", "addresses.list")


async def test_another_address_that_took_the_place_stays(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.associate(address.ip, machine.machine_id)
    held = await read(provider, address.ip)
    other = fresh_ip(emulator)
    emulator.world.associate(other, machine.machine_id)
    assert await provider.detach(held, "one") == PendingMutation()
    assert emulator.world.holder(other) == machine.machine_id


# Restore.


async def test_a_machine_with_an_address_gets_no_other(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    machine = await machine_with_ephemeral_address(emulator, provider)
    since = len(emulator.faults.calls)
    assert await provider.restore(machine, "one") == PendingMutation()
    assert emulator.faults.ops(since) == ("instances.get",)


# Operations.


async def test_an_operation_that_takes_long_is_no_failure(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.operation_seconds = 60.0
    accepted = await provider.attach(address, machine, "one")
    hasty = create({"timeout_seconds": "2"})
    await hasty.snapshot(("192.0.2.254",))
    since = len(emulator.faults.calls)
    assert await hasty.poll(accepted.handle) == accepted
    assert emulator.faults.ops(since) == ("zoneOperations.wait", "zoneOperations.get")
    await hasty.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("IP_IN_USE_BY_ANOTHER_RESOURCE", InUse),
        ("QUOTA_EXCEEDED", QuotaExceeded),
        ("INVALID_USAGE", CloudError),
    ],
)
async def test_polling_raises_the_operations_error(
    emulator: GceEmulator, provider: GcpProvider, code: str, kind: type[CloudError]
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op="instances.addAccessConfig", late=True, code=code))
    accepted = await provider.attach(address, machine, "one")
    with pytest.raises(CloudError, match=code) as failed:
        await done(provider, accepted)
    assert type(failed.value) is kind


async def test_waiting_needs_no_permission_of_the_fence(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    def closed() -> None:
        raise AssertionError

    address, machine = await fresh(emulator, provider)
    accepted = await provider.attach(address, machine, "one")
    provider.fence = closed
    await done(provider, accepted)
    assert emulator.world.holder(address.ip) == machine.machine_id


async def test_a_forgotten_operation_is_stale(provider: GcpProvider) -> None:
    with pytest.raises(Stale):
        await provider.poll(f"{PROJECT}/europe-west1-b/operation-9999")


# IPv6.


async def test_an_ipv6_address_comes_and_goes_as_a_range(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    wide, machine = await fresh(emulator, provider, v6=True)
    for _ in range(2):
        await done(provider, await provider.attach(wide, machine, "attach"))
        held = await read(provider, wide.ip)
        assert held.holder == MachineHolder(machine.machine_id)
        assert await provider.attach(wide, machine, "again") == PendingMutation()
        await done(provider, await provider.detach(held, "detach"))
        assert emulator.world.holder(wide.ip) == ""


async def test_an_ipv6_address_that_somebody_holds_is_in_use(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    wide, holder = await fresh(emulator, provider, v6=True)
    other, target = await fresh(emulator, provider, v6=True)
    await done(provider, await provider.attach(wide, holder, "one"))
    with pytest.raises(InUse) as refusal:
        await provider.attach(wide, target, "two")
    assert refusal.value.owner == holder.machine_id
    with pytest.raises(InUse) as refusal:
        await provider.attach(other, holder, "three")
    assert refusal.value.owner == wide.ip


async def test_an_interface_with_its_own_range_is_no_target(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    wide, machine = await fresh(emulator, provider, v6=True)
    emulator.world.set_stack(machine.machine_id, "IPV4_IPV6")
    with pytest.raises(MachineUnfit, match="2600:1900:4000:1::"):
        await provider.attach(wide, machine, "one")


async def test_an_interface_that_changed_meanwhile_is_read_again(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    wide, machine = await fresh(emulator, provider, v6=True)
    emulator.faults.inject(
        Fault(op="instances.updateNetworkInterface", status=412, code="conditionNotMet")
    )
    with pytest.raises(Stale):
        await provider.attach(wide, machine, "one")
    await done(provider, await provider.attach(wide, machine, "two"))
    assert emulator.world.holder(wide.ip) == machine.machine_id


# Missing and unusable answers.


@pytest.mark.parametrize("status", [200, 502])
async def test_a_web_page_in_place_of_an_answer_is_no_answer(
    emulator: GceEmulator, provider: GcpProvider, status: int
) -> None:
    emulator.faults.inject(Fault(op="addresses.list", status=status, times=None))
    with pytest.raises(Unavailable):
        await provider.snapshot(("192.0.2.1",))


async def test_a_call_that_got_no_answer_is_repeated_with_its_request_id(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op="instances.addAccessConfig", drop="after"))
    since = len(emulator.faults.calls)
    await done(provider, await provider.attach(address, machine, "one"))
    first, second = emulator.faults.calls[since : since + 2]
    assert first.op == second.op == "instances.addAccessConfig"
    assert first.params == second.params
    assert emulator.world.holder(address.ip) == machine.machine_id


async def test_a_throttled_call_is_not_repeated(
    emulator: GceEmulator, provider: GcpProvider
) -> None:
    emulator.faults.inject(Fault(op="addresses.list", status=429, times=None))
    since = len(emulator.faults.calls)
    with pytest.raises(Throttled):
        await provider.snapshot(("192.0.2.1",))
    assert emulator.faults.ops(since) == ("addresses.list",)


@pytest.fixture
async def hasty(emulator: GceEmulator) -> AsyncIterator[GcpProvider]:
    """A provider with a short deadline, whose SDK is already loaded."""
    provider = create({"region": emulator.region, "timeout_seconds": "1.2"})
    async with asyncio.timeout(30):
        while not provider._sdk._client:
            await asyncio.gather(provider.snapshot(("192.0.2.254",)), return_exceptions=True)
    yield provider
    await provider.close()


async def test_nothing_is_sent_after_the_deadline(
    emulator: GceEmulator, provider: GcpProvider, hasty: GcpProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    # Each attempt may take a second, so a third one would begin after the deadline.
    emulator.faults.inject(Fault(op="instances.addAccessConfig", delay_seconds=1.3, times=None))
    since = len(emulator.faults.calls)
    with pytest.raises(Unavailable):
        await hasty.attach(address, machine, "slow")
    await hasty.close()
    hasty._sdk._changing.shutdown(wait=True)
    assert emulator.faults.ops(since).count("instances.addAccessConfig") <= 2
