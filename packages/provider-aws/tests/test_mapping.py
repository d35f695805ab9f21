"""EC2's descriptions mapped to Moorage's values."""

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import botocore
import pytest

from moorage_provider.errors import MachineNotFound, MachineUnfit
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder
from moorage_provider_aws import mapping

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import AddressTypeDef, InstanceTypeDef


def address_row(**fields: object) -> "AddressTypeDef":
    row = {
        "PublicIp": "203.0.113.10",
        "AllocationId": "eipalloc-1",
        "Domain": "vpc",
        "NetworkBorderGroup": "eu-west-1",
        **fields,
    }
    return cast("AddressTypeDef", row)


def interface(device: int, ip: str, *, card: int = 0, **association: str) -> dict[str, object]:
    private: dict[str, object] = {"PrivateIpAddress": ip, "Primary": True}
    if association:
        private["Association"] = association
    return {
        "NetworkInterfaceId": f"eni-{device}-{card}",
        "PrivateIpAddress": ip,
        "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.99", "Primary": False}, private],
        "Attachment": {"DeviceIndex": device, "NetworkCardIndex": card},
    }


def instance_row(**fields: object) -> "InstanceTypeDef":
    row = {
        "InstanceId": "i-1",
        "State": {"Name": "running", "Code": 16},
        "Placement": {"AvailabilityZone": "eu-west-1a"},
        "NetworkInterfaces": [interface(0, "10.0.0.1")],
        **fields,
    }
    return cast("InstanceTypeDef", row)


def tagged(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def test_a_free_address_has_neither_holder_nor_token() -> None:
    assert mapping.address(address_row(), {}) == CloudAddress(
        "203.0.113.10", "eipalloc-1", None, "", "eu-west-1", frozenset()
    )


def test_an_address_on_an_instance_is_a_machines() -> None:
    row = address_row(AssociationId="eipassoc-1", InstanceId="i-1", NetworkInterfaceId="eni-1")
    read_back = mapping.address(row, {})
    assert (read_back.holder, read_back.token) == (MachineHolder("i-1", "eni-1"), "eipassoc-1")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"NetworkInterfaceId": "eni-7"}, "eni-7 (no EC2 instance"),
        (
            {"NetworkInterfaceId": "eni-7", "ServiceManaged": "nlb"},
            "a Network Load Balancer, network interface eni-7",
        ),
        ({"ServiceManaged": "rnat"}, "a regional NAT gateway"),
        ({"ServiceManaged": "new-one"}, "the AWS service new-one"),
        # A managed service's interface may even sit on an instance that we see.
        (
            {"NetworkInterfaceId": "eni-7", "InstanceId": "i-1", "ServiceManaged": "rds"},
            "a database of RDS, network interface eni-7",
        ),
        ({}, "unknown"),
    ],
)
def test_an_address_on_anything_else_is_described(fields: dict[str, str], words: str) -> None:
    holder = mapping.address(address_row(AssociationId="eipassoc-1", **fields), {}).holder
    assert isinstance(holder, OtherHolder)
    assert words in holder.description


def test_an_address_of_a_service_that_uses_it_nowhere_is_not_free() -> None:
    read_back = mapping.address(address_row(ServiceManaged="rnat"), {})
    assert (read_back.holder, read_back.token) == (OtherHolder("a regional NAT gateway"), "rnat")


def test_every_service_that_the_sdk_knows_has_a_name_for_people() -> None:
    folder = Path(botocore.__file__).parent / "data" / "ec2"
    model = json.loads(gzip.decompress(max(folder.glob("*/service-2.json.gz")).read_bytes()))
    for service in model["shapes"]["ServiceManaged"]["enum"]:
        row = address_row(AssociationId="eipassoc-1", ServiceManaged=service)
        holder = mapping.address(row, {}).holder
        assert isinstance(holder, OtherHolder)
        assert service not in holder.description.split()


def test_an_instance_is_read_with_its_first_interface() -> None:
    # The CNI's interfaces come in any order, and large instances have several cards.
    row = instance_row(
        NetworkInterfaces=[
            interface(1, "10.0.1.1"),
            interface(0, "10.0.2.1", card=1),
            interface(0, "10.0.0.1"),
        ]
    )
    assert mapping.machine(row, "eu-west-1") == mapping.AwsMachine(
        "i-1", "eni-0-0", "10.0.0.1", running=True, location="eu-west-1", zone="eu-west-1a"
    )


@pytest.mark.parametrize(
    ("owner", "reserved"), [("amazon", False), ("123456789012", True), ("amazon-elb", True)]
)
def test_only_an_address_from_amazons_pool_is_not_reserved(owner: str, reserved: bool) -> None:  # noqa: FBT001 - a parameter of the table
    nic = interface(0, "10.0.0.1", PublicIp="203.0.113.10", IpOwnerId=owner)
    machine = mapping.machine(instance_row(NetworkInterfaces=[nic]), "")
    assert (machine.public_ip, machine.public_ip_reserved) == ("203.0.113.10", reserved)


def test_a_wavelength_zones_address_is_its_carriers() -> None:
    nic = interface(0, "10.0.0.1", CarrierIp="203.0.113.10", IpOwnerId="123456789012")
    machine = mapping.machine(instance_row(NetworkInterfaces=[nic]), "")
    assert machine.public_ip == "203.0.113.10"


@pytest.mark.parametrize("state", ["pending", "stopping", "stopped", "shutting-down"])
def test_an_instance_in_any_other_state_is_not_running(state: str) -> None:
    assert not mapping.machine(instance_row(State={"Name": state, "Code": 0}), "").running


def test_a_terminated_instance_is_gone() -> None:
    row = instance_row(State={"Name": "terminated", "Code": 48}, NetworkInterfaces=[])
    with pytest.raises(MachineNotFound, match="i-1 is terminated"):
        mapping.machine(row, "")


def test_an_instance_without_a_first_interface_is_unfit() -> None:
    with pytest.raises(MachineUnfit, match="i-1"):
        mapping.machine(instance_row(NetworkInterfaces=[interface(1, "10.0.1.1")]), "")


@pytest.mark.parametrize(
    ("tags", "cluster"),
    [
        ({}, ""),
        ({"Name": "node"}, ""),
        ({"kubernetes.io/cluster/prod": "owned"}, "prod"),
        ({"eks:cluster-name": "prod", "kubernetes.io/cluster/other": "shared"}, "prod"),
        ({"aws:eks:cluster-name": "prod", "Name": "node"}, "prod"),
    ],
)
def test_the_cluster_is_read_from_the_tags(tags: dict[str, str], cluster: str) -> None:
    assert mapping.machine(instance_row(Tags=tagged(**tags)), "").cluster == cluster
