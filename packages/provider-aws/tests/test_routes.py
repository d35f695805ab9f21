"""Where a subnet leads to no internet gateway no instance gets an Elastic IP: nobody reaches it."""

from typing import TYPE_CHECKING, cast

import pytest

from moorage_provider.protocol import CloudAddress, Machine
from moorage_provider_aws.provider import AwsProvider
from moorage_provider_aws.routes import DEAD_END_SECONDS, LEADS_OUT_SECONDS, Routes, leads_out
from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.faults import Fault

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import RouteTableTypeDef

READ = "DescribeRouteTables"
LOCAL = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}


@pytest.mark.parametrize(
    ("route", "out"),
    [
        ({"GatewayId": "igw-1"}, True),
        # Of a firewall or a load balancer for appliances, behind which there is a gateway.
        ({"GatewayId": "vpce-1"}, True),
        ({"CarrierGatewayId": "cagw-1"}, True),
        ({"LocalGatewayId": "lgw-1"}, True),
        ({"NetworkInterfaceId": "eni-1", "InstanceId": "i-1"}, True),
        ({"GatewayId": "igw-1", "State": "blackhole"}, False),
        ({"GatewayId": "igw-1", "DestinationIpv6CidrBlock": "::/0"}, False),
        ({"NatGatewayId": "nat-1"}, False),
        ({"TransitGatewayId": "tgw-1"}, False),
        ({"GatewayId": "vgw-1"}, False),
        ({"VpcPeeringConnectionId": "pcx-1"}, False),
    ],
)
def test_where_a_route_leads(route: dict[str, str], *, out: bool) -> None:
    table = {"Routes": [LOCAL, {"State": "active"} | route]}
    assert leads_out(cast("RouteTableTypeDef", table)) is out
    assert not leads_out(cast("RouteTableTypeDef", {"Routes": [LOCAL]}))


async def reserved(emulator: Ec2Emulator, provider: AwsProvider, ip: str) -> CloudAddress:
    if ip not in emulator.world.addresses():
        emulator.world.add_address(ip)
    return (await provider.snapshot((ip,)))[ip]


async def bare(emulator: Ec2Emulator, provider: AwsProvider) -> Machine:
    """A machine without a public address, as nodes of private subnets are."""
    return await provider.machine(emulator.world.add_instance_apart().id)


async def test_the_next_node_is_used_where_a_subnet_leads_nowhere(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    address = await reserved(emulator, provider, "192.0.2.1")
    private, public = (emulator.world.add_instance_apart() for _ in range(2))
    table = emulator.world.cut_off(private.id)
    refusal = provider.check(address, await provider.machine(private.id))
    assert refusal is not None
    assert f"route table {table} leads to no internet gateway" in refusal
    machine = await provider.machine(public.id)
    assert provider.check(address, machine) is None
    await provider.attach(address, machine, "fit")


async def test_who_has_a_public_address_needs_no_look(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    instance = emulator.world.add_instance_apart(with_public_ip=True)
    emulator.world.cut_off(instance.id)
    since = len(emulator.faults.calls)
    await provider.machine(instance.id)
    assert READ not in emulator.faults.ops(since)


async def test_each_subnet_is_read_once_in_a_while(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    now = 1000.0
    provider._routes = Routes(lambda: now)
    machine = await bare(emulator, provider)

    async def reads() -> int:
        since = len(emulator.faults.calls)
        await provider.machine(machine.machine_id)
        return emulator.faults.ops(since).count(READ)

    assert await reads() == 0
    now += LEADS_OUT_SECONDS - 1.0
    assert await reads() == 0
    emulator.world.cut_off(machine.machine_id)
    now += 2.0
    # It has a route table of its own by now.
    assert await reads() == 1
    now += DEAD_END_SECONDS + 1.0
    assert await reads() == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(op=READ, status=403, code="UnauthorizedOperation", times=None),
        Fault(op=READ, status=503, code="RequestLimitExceeded", times=None),
        Fault(op=READ, status=500, code="InternalError", times=None),
    ],
    ids=lambda fault: fault.code,
)
async def test_what_cannot_be_read_keeps_nobody_from_an_address(
    emulator: Ec2Emulator, provider: AwsProvider, fault: Fault
) -> None:
    address = await reserved(emulator, provider, "192.0.2.2")
    emulator.faults.inject(fault)
    machine = await bare(emulator, provider)
    assert provider.check(address, machine) is None
    since = len(emulator.faults.calls)
    await provider.machine(machine.machine_id)
    assert READ not in emulator.faults.ops(since), "it is not asked again for every move"
