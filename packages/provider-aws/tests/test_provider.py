"""What is specific to EC2, over HTTP against the emulated one."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from moorage_provider.errors import (
    CredentialsRejected,
    Denied,
    InUse,
    InvalidOptions,
    MachineUnfit,
    Stale,
    Unavailable,
)
from moorage_provider.protocol import CloudAddress, Machine, MachineHolder
from moorage_provider_aws.provider import THREADS, AwsProvider, create
from moorage_testing.clouds.aws import Ec2Emulator, token_service
from moorage_testing.faults import Call, Fault

_numbers = itertools.count(1)


async def fresh(emulator: Ec2Emulator, provider: AwsProvider) -> tuple[CloudAddress, Machine]:
    """A free address and a machine without one."""
    number = next(_numbers)
    ip = f"192.0.2.{number}"
    emulator.world.add_address(ip)
    (instance,) = emulator.world.add_instances(1)
    address = (await provider.snapshot((ip,)))[ip]
    return address, await provider.machine(instance.id)


async def read(provider: AwsProvider, address: CloudAddress) -> CloudAddress:
    return (await provider.snapshot((address.ip,)))[address.ip]


def test_importing_and_creating_loads_no_sdk() -> None:
    code = (
        "import sys; from moorage_provider_aws.provider import create; create({});"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  # our own command


def test_reading_nothing_loads_it() -> None:
    code = (
        "import asyncio, sys; from moorage_provider_aws.provider import create;"
        "asyncio.run(create({'region': 'eu-west-1'}).snapshot(()));"
        "sys.exit('boto3' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  # our own command


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_an_invalid_deadline_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptions, match="timeout_seconds"):
        create({"timeout_seconds": text})


async def test_without_a_region_the_message_says_where_to_set_it(
    provider: AwsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(InvalidOptions, match=r"spec\.cloud\.region or AWS_REGION"):
        await provider.snapshot(("192.0.2.1",))


async def test_the_region_option_beats_the_environment(
    emulator: Ec2Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    emulator.world.add_address("192.0.2.250")
    here, there = create({"region": emulator.region}), create({})
    assert set(await here.snapshot(("192.0.2.250",))) == {"192.0.2.250"}
    assert set(await there.snapshot(("192.0.2.250",))) == set()
    await here.close()
    await there.close()


async def test_an_unusable_endpoint_is_named(
    provider: AwsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", "nowhere")
    with pytest.raises(InvalidOptions, match="AWS_ENDPOINT_URL_EC2"):
        await provider.snapshot(("192.0.2.1",))


async def test_credentials_that_come_later_are_found(
    emulator: Ec2Emulator, provider: AwsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsRejected, match="EKS Pod Identity"):
        await provider.snapshot(("192.0.2.1",))
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    assert await provider.snapshot(("198.51.100.250",)) == {}


async def test_a_missing_web_identity_token_is_rejected_credentials(
    provider: AwsProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/moorage")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(CredentialsRejected):
        await provider.snapshot(("192.0.2.1",))


@pytest.fixture
def web_identity(
    emulator: Ec2Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """A pod with an IAM role for its service account, and the service that gives it the role."""
    del emulator  # only that the environment leads to it
    token = tmp_path / "token"
    token.write_text("header.payload.signature")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/moorage")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    with token_service() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        yield


@pytest.mark.usefixtures("web_identity")
async def test_harm_13_an_endpoint_of_ec2_is_not_asked_for_credentials(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    since = len(emulator.faults.calls)
    assert await provider.snapshot(("198.51.100.250",)) == {}
    assert set(emulator.faults.ops(since)) == {"DescribeAddresses"}


async def test_harm_10_only_where_the_filter_does_not_find_one_all_addresses_are_listed(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    ours, _ = await fresh(emulator, provider)
    filters = [{"Filter.1.Name": "public-ip", "Filter.1.Value.1": ours.ip}]
    since = len(emulator.faults.calls)
    assert await provider.snapshot((ours.ip,)) == {ours.ip: ours}
    assert [_filters(call) for call in emulator.faults.calls[since:]] == filters
    since = len(emulator.faults.calls)
    assert await provider.snapshot((ours.ip, "198.51.100.250")) == {ours.ip: ours}
    filters[0]["Filter.1.Value.2"] = "198.51.100.250"
    assert [_filters(call) for call in emulator.faults.calls[since:]] == [*filters, {}]


async def test_harm_08_an_instance_that_no_list_shows_yet_is_asked_for_again(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    ip = f"192.0.2.{next(_numbers)}"
    emulator.world.add_address(ip)
    (instance,) = emulator.world.add_instances(1)
    emulator.world.associate_beside(ip, instance.id)
    emulator.world.unlist(instance.id)
    holder = (await provider.snapshot((ip,)))[ip].holder
    assert (isinstance(holder, MachineHolder) and holder.machine_id) == instance.id
    emulator.world.unlist(instance.id, unlisted=False)
    holder = (await provider.snapshot((ip,)))[ip].holder
    assert isinstance(holder, MachineHolder)
    assert holder.misplaced


def _filters(call: Call) -> dict[str, str]:
    return {name: text for name, text in call.params.items() if name.startswith("Filter")}


async def test_harm_10_a_move_never_displaces_an_address_that_is_not_understood(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    await provider.attach(address, machine, "one")
    held = (await provider.snapshot((address.ip,)))[address.ip]
    _, target = await fresh(emulator, provider)
    odd = f"192.0.2.{next(_numbers)}"
    reference = emulator.world.add_address(odd)
    emulator.world.associate(odd, target.machine_id)
    emulator.world.spoil(odd)
    with pytest.raises(InUse, match=f"already holds {reference}"):
        await provider.move(held, target, "two")
    assert emulator.world.holder(odd) == target.machine_id
    emulator.world.spoil(odd, spoiled=False)


async def test_harm_10_what_is_not_understood_when_it_is_read_again_is_outdated(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    await provider.attach(address, machine, "one")
    held = (await provider.snapshot((address.ip,)))[address.ip]
    _, target = await fresh(emulator, provider)
    emulator.world.spoil(address.ip)
    with pytest.raises(Stale, match="not understood"):
        await provider.move(held, target, "two")
    assert emulator.world.holder(address.ip) == machine.machine_id
    emulator.world.spoil(address.ip, spoiled=False)


@pytest.mark.usefixtures("web_identity")
async def test_harm_13_an_endpoint_for_all_services_that_is_ec2s_is_named_as_the_cause(
    emulator: Ec2Emulator, provider: AwsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
    with pytest.raises(CredentialsRejected, match="set AWS_ENDPOINT_URL_EC2 in its place"):
        await provider.snapshot(("198.51.100.250",))


async def test_an_ipv6_address_is_absent_and_costs_no_call(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    since = len(emulator.faults.calls)
    assert await provider.snapshot(("2001:db8::1",)) == {}
    assert emulator.faults.ops(since) == ()


@pytest.mark.parametrize("kind", ["carrier_ip", "customer_owned_ip"])
async def test_harm_10_an_address_of_a_carrier_or_customer_is_one_like_others(
    emulator: Ec2Emulator, provider: AwsProvider, kind: Literal["carrier_ip", "customer_owned_ip"]
) -> None:
    ours, machine = await fresh(emulator, provider)
    ip = f"192.0.2.{next(_numbers)}"
    emulator.world.add_address(ip, kind=kind)
    read_back = await provider.snapshot((ip, ours.ip))
    assert set(read_back) == {ip, ours.ip}
    assert read_back[ours.ip] == ours
    await provider.attach(read_back[ip], machine, "one")
    holder = (await provider.snapshot((ip,)))[ip].holder
    assert holder == MachineHolder(machine.machine_id, machine.interface_id)
    holding = await provider.machine(machine.machine_id)
    assert (holding.public_ip, holding.public_ip_reserved) == (ip, True)


async def test_an_association_always_names_interface_private_address_and_reassociation(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.add_interface(machine.machine_id)
    since = len(emulator.faults.calls)
    await provider.attach(address, machine, "one")
    (call,) = emulator.faults.calls[since:]
    assert call.op == "AssociateAddress"
    assert call.params == {
        "AllocationId": address.reference,
        "NetworkInterfaceId": machine.interface_id,
        "PrivateIpAddress": machine.private_ip,
        "AllowReassociation": "false",
    }


async def test_a_move_reads_both_ends_and_associates_once(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, source = await fresh(emulator, provider)
    _, target = await fresh(emulator, provider)
    await provider.attach(address, source, "one")
    held = await read(provider, address)
    since = len(emulator.faults.calls)
    await provider.move(held, target, "two")
    assert emulator.faults.ops(since) == (
        "DescribeAddresses",
        "DescribeAddresses",
        "AssociateAddress",
    )
    assert emulator.faults.calls[-1].params["AllowReassociation"] == "true"
    assert emulator.world.holder(address.ip) == target.machine_id


async def test_an_elastic_ip_on_another_private_address_of_the_target_is_no_hindrance(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, source = await fresh(emulator, provider)
    other, target = await fresh(emulator, provider)
    await provider.attach(address, source, "one")
    emulator.world.associate_secondary(other.ip, target.machine_id)
    await provider.move(await read(provider, address), target, "two")
    assert emulator.world.holder(address.ip) == target.machine_id
    assert emulator.world.holder(other.ip) == target.machine_id


async def test_zones_are_read_once(emulator: Ec2Emulator, provider: AwsProvider) -> None:
    instances = emulator.world.add_instances(3)
    since = len(emulator.faults.calls)
    machines = [await provider.machine(instance.id) for instance in instances]
    assert {machine.location for machine in machines} == {emulator.region}
    assert len({machine.zone for machine in machines}) == 3
    assert emulator.faults.ops(since).count("DescribeAvailabilityZones") == 1


async def test_a_stopped_machine_keeps_its_address_and_is_not_running(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    await provider.attach(address, machine, "one")
    emulator.world.stop(machine.machine_id)
    stopped = await provider.machine(machine.machine_id)
    assert (stopped.running, stopped.public_ip) == (False, address.ip)
    emulator.world.start(machine.machine_id)
    started = await provider.machine(machine.machine_id)
    assert (started.running, started.public_ip) == (True, address.ip)


async def test_a_pending_machine_is_unfit(emulator: Ec2Emulator, provider: AwsProvider) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.set_state(machine.machine_id, "pending")
    with pytest.raises(MachineUnfit, match="pending"):
        await provider.attach(address, machine, "early")


async def test_a_node_of_eks_auto_mode_is_unfit_and_the_next_one_is_not(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    """aws/containers-roadmap#2834: there may be nodes of both kinds in one cluster."""
    address, machine = await fresh(emulator, provider)
    emulator.world.manage(machine.machine_id)
    managed = await provider.machine(machine.machine_id)
    refusal = provider.check(address, managed)
    assert refusal is not None
    assert "managed by eks.amazonaws.com" in refusal
    with pytest.raises(Denied, match="explicit deny"):
        await provider.attach(address, managed, "in vain")
    _, other = await fresh(emulator, provider)
    assert provider.check(address, other) is None
    await provider.attach(address, other, "fit")


async def test_a_machine_terminated_since_it_was_read_is_unfit(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.world.terminate(machine.machine_id)
    with pytest.raises(MachineUnfit):
        await provider.attach(address, machine, "late")


async def test_an_address_just_allocated_is_stale_not_missing(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(
        Fault(op="AssociateAddress", status=400, code="InvalidAllocationID.NotFound")
    )
    with pytest.raises(Stale):
        await provider.attach(address, machine, "early")


async def test_an_outdated_read_never_makes_an_attachment_look_like_anothers(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    _, thief = await fresh(emulator, provider)
    emulator.stale_reads = 2
    emulator.world.associate(address.ip, thief.machine_id)
    with pytest.raises(Stale):
        await provider.attach(address, machine, "one")
    with pytest.raises(InUse) as refusal:
        await provider.attach(address, machine, "two")
    assert refusal.value.owner == thief.machine_id


async def test_an_outdated_read_after_detaching_is_no_failure(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    await provider.attach(address, machine, "one")
    held = await read(provider, address)
    emulator.stale_reads = 1
    await provider.detach(held, "two")
    await provider.detach(held, "two")
    assert emulator.world.holder(address.ip) == ""


async def test_a_web_page_in_place_of_an_answer_is_no_answer(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    emulator.faults.inject(Fault(op="DescribeAddresses", status=502, times=None))
    with pytest.raises(Unavailable):
        await provider.snapshot(("192.0.2.1",))


async def test_the_sdk_repeats_a_call_that_got_no_answer(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address, machine = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op="AssociateAddress", drop="after"))
    since = len(emulator.faults.calls)
    await provider.attach(address, machine, "one")
    assert emulator.faults.ops(since) == ("AssociateAddress",) * 2
    assert (await read(provider, address)).holder == MachineHolder(
        machine.machine_id, machine.interface_id
    )


async def connected(options: dict[str, str]) -> AwsProvider:
    """A provider whose client is there: to make it may take longer than a short deadline."""
    provider = create(options)
    await provider._sdk.run(lambda _: None)
    return provider


async def test_nothing_is_sent_after_the_deadline(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    hasty = await connected({"timeout_seconds": "1.2"})
    # The emulator's first answers take longer than a short deadline.
    address, machine = await fresh(emulator, provider)
    # Each attempt may take a second, so a second one would begin after the deadline.
    emulator.faults.inject(Fault(op="AssociateAddress", delay_seconds=1.3, times=None))
    since = len(emulator.faults.calls)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"1\.2 s"):
        await hasty.attach(address, machine, "slow")
    assert time.monotonic() - began < 2.0
    await hasty.close()
    hasty._sdk._changing.shutdown(wait=True)
    # The second attempt began at 1.0 s, a third would have at 2.0 s.
    assert emulator.faults.ops(since).count("AssociateAddress") <= 2


async def test_a_call_in_the_queue_is_dropped_at_the_deadline(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    hasty = await connected({"timeout_seconds": "1.2"})
    address, _ = await fresh(emulator, provider)
    emulator.faults.inject(Fault(op="DescribeAddresses", delay_seconds=1.3, times=None))
    since = len(emulator.faults.calls)
    results = await asyncio.gather(
        *(hasty.snapshot((address.ip,)) for _ in range(10 * THREADS)), return_exceptions=True
    )
    assert {type(result) for result in results} == {Unavailable}
    await hasty.close()
    hasty._sdk._reading.shutdown(wait=True)
    # Each thread sent one call at the start and repeated it once.
    assert len(emulator.faults.ops(since)) <= 2 * THREADS
