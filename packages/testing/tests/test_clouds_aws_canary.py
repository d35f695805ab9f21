"""Where plain moto differs from EC2: when one of these fails, the overlay can shrink."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

IP, OTHER_IP = "203.0.113.10", "203.0.113.11"


@dataclass(frozen=True)
class Plain:
    """moto as it is, with two instances and two addresses in a VPC without a gateway."""

    ec2: "EC2Client"
    one: str
    two: str
    allocation: str
    other: str

    def interface(self, instance: str) -> str:
        row = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        return row["NetworkInterfaces"][0]["NetworkInterfaceId"]

    def holders(self) -> list[str | None]:
        return [row.get("InstanceId") for row in self.ec2.describe_addresses()["Addresses"]]


@cache
def session() -> boto3.session.Session:
    """One for all: each reads the models of EC2 anew."""
    return boto3.session.Session("key", "secret", region_name="eu-west-1")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plain]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    # Nothing here is about images, and making 1,300 of them takes longer than a test.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        ec2 = session().client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        run = ec2.run_instances(
            ImageId="ami-00000000", MinCount=2, MaxCount=2, SubnetId=subnet, InstanceType="t3.small"
        )
        one, two = (row["InstanceId"] for row in run["Instances"])
        allocation, other = (
            ec2.allocate_address(Domain="vpc", Address=ip)["AllocationId"] for ip in (IP, OTHER_IP)
        )
        yield Plain(ec2, one, two, allocation, other)


def test_1_reassociation_is_off_unless_asked_for(plain: Plain) -> None:
    plain.ec2.associate_address(AllocationId=plain.allocation, InstanceId=plain.one)
    with pytest.raises(ClientError, match="AlreadyAssociated"):
        plain.ec2.associate_address(AllocationId=plain.allocation, InstanceId=plain.two)


def test_2_an_instance_with_two_interfaces_is_accepted_by_its_id(plain: Plain) -> None:
    subnet = plain.ec2.describe_instances(InstanceIds=[plain.one])["Reservations"][0]["Instances"][
        0
    ]["SubnetId"]
    made = plain.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    plain.ec2.attach_network_interface(
        NetworkInterfaceId=made["NetworkInterfaceId"], InstanceId=plain.one, DeviceIndex=1
    )
    assert plain.ec2.associate_address(AllocationId=plain.allocation, InstanceId=plain.one)


def test_3_the_private_address_is_ignored(plain: Plain) -> None:
    plain.ec2.associate_address(
        AllocationId=plain.allocation,
        NetworkInterfaceId=plain.interface(plain.one),
        PrivateIpAddress="10.0.1.250",
    )
    row = plain.ec2.describe_addresses(AllocationIds=[plain.allocation])["Addresses"][0]
    assert row["PrivateIpAddress"] != "10.0.1.250"


def test_4_two_addresses_sit_on_one_private_address(plain: Plain) -> None:
    for allocation in (plain.allocation, plain.other):
        plain.ec2.associate_address(AllocationId=allocation, InstanceId=plain.one)
    assert plain.holders() == [plain.one, plain.one]


def test_5_the_old_instance_still_shows_an_address_that_moved(plain: Plain) -> None:
    for instance in (plain.one, plain.two):
        plain.ec2.associate_address(
            AllocationId=plain.allocation, InstanceId=instance, AllowReassociation=True
        )
    row = plain.ec2.describe_instances(InstanceIds=[plain.one])["Reservations"][0]["Instances"][0]
    assert row.get("PublicIpAddress") == IP


def test_6_an_association_by_interface_shows_no_instance(plain: Plain) -> None:
    plain.ec2.associate_address(
        AllocationId=plain.allocation, NetworkInterfaceId=plain.interface(plain.one)
    )
    assert plain.one not in plain.holders()


def test_7_a_terminated_instance_keeps_and_takes_addresses(plain: Plain) -> None:
    plain.ec2.associate_address(AllocationId=plain.allocation, InstanceId=plain.one)
    plain.ec2.terminate_instances(InstanceIds=[plain.one])
    plain.ec2.associate_address(AllocationId=plain.other, InstanceId=plain.one)
    assert plain.holders() == [plain.one, plain.one]


def test_8_no_internet_gateway_is_needed(plain: Plain) -> None:
    assert plain.ec2.associate_address(AllocationId=plain.allocation, InstanceId=plain.one)


def test_9_an_address_in_use_is_released(plain: Plain) -> None:
    plain.ec2.associate_address(AllocationId=plain.allocation, InstanceId=plain.one)
    plain.ec2.release_address(AllocationId=plain.allocation)
    assert len(plain.holders()) == 1


def test_10_the_same_association_again_is_another_one(plain: Plain) -> None:
    first, second = (
        plain.ec2.associate_address(AllocationId=plain.allocation, InstanceId=plain.one)
        for _ in range(2)
    )
    assert first["AssociationId"] != second["AssociationId"]


def test_14_malformed_ids_and_unknown_ones_have_the_same_error(plain: Plain) -> None:
    with pytest.raises(ClientError, match=r"InvalidAllocationID\.NotFound"):
        plain.ec2.associate_address(AllocationId="bogus", InstanceId=plain.one)


def test_16_addresses_and_zones_have_no_network_border_group(plain: Plain) -> None:
    assert "NetworkBorderGroup" not in plain.ec2.describe_addresses()["Addresses"][0]
    assert (
        "NetworkBorderGroup" not in plain.ec2.describe_availability_zones()["AvailabilityZones"][0]
    )


def test_17_an_ephemeral_address_is_shown_as_the_accounts_own(plain: Plain) -> None:
    subnet = plain.ec2.describe_subnets(Filters=[{"Name": "cidr-block", "Values": ["10.0.1.0/24"]}])
    run = plain.ec2.run_instances(
        ImageId="ami-00000000",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": True,
                "SubnetId": subnet["Subnets"][0]["SubnetId"],
            }
        ],
    )
    (row,) = run["Instances"]
    assert row["NetworkInterfaces"][0]["Association"]["IpOwnerId"] != "amazon"


def test_18_a_terminated_instance_still_shows_its_interfaces(plain: Plain) -> None:
    plain.ec2.terminate_instances(InstanceIds=[plain.one])
    assert plain.interface(plain.one)
