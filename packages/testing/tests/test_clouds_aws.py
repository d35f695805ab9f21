"""The emulated EC2: what it refuses, its faults, its control paths and its own process."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from moorage_testing.clouds.aws import Ec2Emulator, Instance, answers
from moorage_testing.faults import Fault
from moorage_testing.waiting import PATIENCE

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

IP, OTHER_IP = "203.0.113.10", "203.0.113.11"


@pytest.fixture
def emulator() -> Iterator[Ec2Emulator]:
    with Ec2Emulator() as emulator:
        emulator.world.add_address(IP)
        emulator.world.add_address(OTHER_IP)
        yield emulator
        assert emulator.violations == []


@cache
def session(key: str, secret: str, region: str) -> boto3.session.Session:
    """One for all clients: each reads the models of EC2 anew."""
    return boto3.session.Session(key, secret, region_name=region)


def client_of(environment: dict[str, str]) -> "EC2Client":
    return session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        environment["AWS_REGION"],
    ).client(
        "ec2",
        endpoint_url=environment["AWS_ENDPOINT_URL_EC2"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE),
    )


@pytest.fixture
def ec2(emulator: Ec2Emulator) -> Iterator["EC2Client"]:
    client = client_of(emulator.environment)
    yield client
    client.close()


def code_of(error: "pytest.ExceptionInfo[ClientError]") -> str:
    return error.value.response["Error"]["Code"]


def associate(
    ec2: "EC2Client", emulator: Ec2Emulator, instance: Instance, ip: str = IP, **more: Any
) -> str:
    answer = ec2.associate_address(
        AllocationId=emulator.world.addresses()[ip],
        NetworkInterfaceId=instance.interface_id,
        **more,
    )
    return answer["AssociationId"]


def test_associating_twice_is_one_association(ec2: "EC2Client", emulator: Ec2Emulator) -> None:
    (one,) = emulator.world.add_instances(1)
    assert associate(ec2, emulator, one) == associate(ec2, emulator, one, AllowReassociation=False)


def test_by_default_an_address_is_taken_from_its_holder(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    one, two = emulator.world.add_instances(2)
    associate(ec2, emulator, one)
    with pytest.raises(ClientError) as refused:
        associate(ec2, emulator, two, AllowReassociation=False)
    assert code_of(refused) == "Resource.AlreadyAssociated"
    associate(ec2, emulator, two)
    assert emulator.world.holder(IP) == two.id


def test_a_private_address_has_one_elastic_ip(ec2: "EC2Client", emulator: Ec2Emulator) -> None:
    (one,) = emulator.world.add_instances(1)
    associate(ec2, emulator, one)
    with pytest.raises(ClientError) as refused:
        associate(ec2, emulator, one, OTHER_IP, AllowReassociation=False)
    assert code_of(refused) == "Resource.AlreadyAssociated"
    associate(ec2, emulator, one, OTHER_IP)
    assert (emulator.world.holder(IP), emulator.world.holder(OTHER_IP)) == ("", one.id)


def test_only_a_private_address_of_the_interface_is_accepted(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    with pytest.raises(ClientError) as refused:
        associate(ec2, emulator, one, PrivateIpAddress="10.0.9.9")
    assert code_of(refused) == "InvalidParameterValue"


def test_an_instance_with_two_interfaces_needs_an_interface_id(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    allocation = emulator.world.addresses()[IP]
    ec2.associate_address(AllocationId=allocation, InstanceId=one.id)
    emulator.world.add_interface(one.id)
    with pytest.raises(ClientError) as refused:
        ec2.associate_address(AllocationId=allocation, InstanceId=one.id)
    assert code_of(refused) == "InvalidInstanceID"


@pytest.mark.parametrize(
    ("state", "code"),
    [("pending", "InvalidInstanceID"), ("shutting-down", "IncorrectInstanceState")],
)
def test_an_instance_that_is_not_there_yet_or_any_more_is_refused(
    ec2: "EC2Client",
    emulator: Ec2Emulator,
    state: Literal["pending", "shutting-down"],
    code: str,
) -> None:
    (one,) = emulator.world.add_instances(1)
    emulator.world.set_state(one.id, state)
    with pytest.raises(ClientError) as refused:
        associate(ec2, emulator, one)
    assert code_of(refused) == code


def test_terminating_frees_the_address_and_the_interfaces(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    associate(ec2, emulator, one)
    ec2.terminate_instances(InstanceIds=[one.id])
    assert emulator.world.holder(IP) == ""
    answer = ec2.describe_instances(InstanceIds=[one.id])
    (row,) = answer["Reservations"][0]["Instances"]
    assert row["State"]["Name"] == "terminated"
    assert row.get("NetworkInterfaces", []) == []


def test_without_an_internet_gateway_nothing_is_associated(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    emulator.world.detach_gateway()
    with pytest.raises(ClientError) as refused:
        associate(ec2, emulator, one)
    assert code_of(refused) == "Gateway.NotAttached"


def test_an_address_in_use_is_not_released(ec2: "EC2Client", emulator: Ec2Emulator) -> None:
    (one,) = emulator.world.add_instances(1)
    associate(ec2, emulator, one)
    with pytest.raises(ClientError) as refused:
        ec2.release_address(AllocationId=emulator.world.addresses()[IP])
    assert code_of(refused) == "InvalidIPAddress.InUse"


def test_an_ephemeral_address_is_restored_when_the_elastic_ip_is_removed(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    association = associate(ec2, emulator, one)
    ec2.disassociate_address(AssociationId=association)
    (row,) = ec2.describe_instances(InstanceIds=[one.id])["Reservations"][0]["Instances"]
    shown = row["NetworkInterfaces"][0]["Association"]
    assert (shown["IpOwnerId"], shown["PublicIp"]) == ("amazon", row["PublicIpAddress"])


def own_ip(ec2: "EC2Client", one: Instance) -> str:
    """The public address on an instance's primary private one."""
    (row,) = ec2.describe_instances(InstanceIds=[one.id])["Reservations"][0]["Instances"]
    (nic,) = [n for n in row["NetworkInterfaces"] if n["NetworkInterfaceId"] == one.interface_id]
    return nic.get("Association", {}).get("PublicIp", "")


def test_harm_07_no_address_is_lent_to_an_instance_of_two_interfaces(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    association = associate(ec2, emulator, one)
    emulator.world.add_interface(one.id)
    ec2.disassociate_address(AssociationId=association)
    assert own_ip(ec2, one) == ""
    emulator.world.stop(one.id)
    emulator.world.start(one.id)
    assert own_ip(ec2, one) == ""


def test_harm_07_no_address_is_lent_beside_an_elastic_ip_on_a_secondary_private_address(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    association = associate(ec2, emulator, one)
    emulator.world.add_address("203.0.113.77")
    emulator.world.associate_secondary("203.0.113.77", one.id)
    ec2.disassociate_address(AssociationId=association)
    assert own_ip(ec2, one) == ""


def test_harm_07_an_address_is_assigned_to_the_primary_interface_only(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1, with_public_ip=False)
    second = emulator.world.add_interface(one.id)
    for interface in (second, one.interface_id):
        assert own_ip(ec2, one) == ""
        ec2.modify_network_interface_attribute(
            NetworkInterfaceId=interface, AssociatePublicIpAddress=True
        )
    assigned = own_ip(ec2, one)
    assert assigned
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=one.interface_id, AssociatePublicIpAddress=True
    )
    assert own_ip(ec2, one) == assigned
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=one.interface_id, AssociatePublicIpAddress=False
    )
    assert own_ip(ec2, one) == ""


def test_one_attribute_of_an_interface_is_changed_at_a_time(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    with pytest.raises(ClientError) as refused:
        ec2.modify_network_interface_attribute(
            NetworkInterfaceId=one.interface_id, AssociatePublicIpAddress=True, Groups=["sg-1"]
        )
    assert code_of(refused) == "InvalidParameterCombination"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"AllocationId": "bogus", "NetworkInterfaceId": "eni-01234567"}, "Allocation"),
        ({"AllocationId": None, "NetworkInterfaceId": "bogus"}, "NetworkInterface"),
        ({"AllocationId": None, "InstanceId": "bogus"}, "Instance"),
    ],
)
def test_malformed_ids_and_unknown_ones_have_different_errors(
    ec2: "EC2Client", emulator: Ec2Emulator, parameters: dict[str, str | None], code: str
) -> None:
    known = emulator.world.addresses()[IP]
    given: dict[str, Any] = {key: value or known for key, value in parameters.items()}
    with pytest.raises(ClientError) as refused:
        ec2.associate_address(**given)
    assert code_of(refused) == f"Invalid{code}ID.Malformed"


def test_reads_may_lag_behind_a_change(ec2: "EC2Client", emulator: Ec2Emulator) -> None:
    (one,) = emulator.world.add_instances(1)
    emulator.stale_reads = 2
    associate(ec2, emulator, one)
    holders = [
        [row.get("InstanceId", "") for row in ec2.describe_addresses(PublicIps=[IP])["Addresses"]]
        for _ in range(3)
    ]
    assert holders == [[""], [""], [one.id]]


def test_an_injected_answer_is_ec2s_error_document(ec2: "EC2Client", emulator: Ec2Emulator) -> None:
    emulator.faults.inject(
        Fault(op="DescribeAddresses", status=503, code="RequestLimitExceeded", message="a < b")
    )
    with pytest.raises(ClientError, match="a < b") as refused:
        ec2.describe_addresses()
    assert code_of(refused) == "RequestLimitExceeded"


def test_a_lost_answer_leaves_the_effect(ec2: "EC2Client", emulator: Ec2Emulator) -> None:
    (one,) = emulator.world.add_instances(1)
    emulator.faults.inject(Fault(op="AssociateAddress", drop="after"))
    with pytest.raises(HTTPClientError):
        associate(ec2, emulator, one)
    assert emulator.world.holder(IP) == one.id


def test_a_connection_broken_before_the_work_leaves_none(
    ec2: "EC2Client", emulator: Ec2Emulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    emulator.faults.inject(Fault(op="AssociateAddress", drop="before"))
    with pytest.raises(HTTPClientError):
        associate(ec2, emulator, one)
    assert emulator.world.holder(IP) == ""


def test_only_one_emulator_runs_in_a_process(emulator: Ec2Emulator) -> None:
    assert emulator.url
    with pytest.raises(RuntimeError, match="one emulator at a time"), Ec2Emulator():
        pass


def test_an_emulator_starts_empty_after_another(emulator: Ec2Emulator) -> None:
    emulator.world.add_instances(1)
    emulator.__exit__(None, None, None)
    with emulator:
        assert (emulator.world.instances(), emulator.world.addresses()) == ((), {})


def test_a_thousand_instances_have_an_address_each(emulator: Ec2Emulator) -> None:
    instances = emulator.world.add_instances(1000)
    assert len({instance.private_ip for instance in instances}) == 1000


DESCRIBED = "<DescribeAddressesResponse><requestId>1</requestId>{}</DescribeAddressesResponse>"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("<addressesSet><item><publicIp>1</publicIp></item></addressesSet>", []),
        (
            "<addressesSet><item><colour>red</colour></item></addressesSet>",
            ["DescribeAddresses.Addresses[].colour: not in the model"],
        ),
        (
            "<addressesSet><item><domain>moon</domain></item></addressesSet>",
            ["DescribeAddresses.Addresses[].Domain: 'moon' is not one of the model's values"],
        ),
        (
            "<addressesSet><member/></addressesSet>",
            ["DescribeAddresses.Addresses: list element member"],
        ),
    ],
)
def test_an_answer_that_violates_the_model_is_noticed(content: str, found: list[str]) -> None:
    assert answers.violations("DescribeAddresses", DESCRIBED.format(content).encode()) == found


def test_a_value_of_the_wrong_type_is_noticed() -> None:
    body = (
        "<R><reservationSet><item><instancesSet><item><amiLaunchIndex>x</amiLaunchIndex>"
        "<ebsOptimized>maybe</ebsOptimized></item></instancesSet></item></reservationSet></R>"
    )
    where = "DescribeInstances.Reservations[].Instances[]"
    assert answers.violations("DescribeInstances", body.encode()) == [
        f"{where}.AmiLaunchIndex: 'x' is no integer",
        f"{where}.EbsOptimized: 'maybe' is no boolean",
    ]


def raw_answer(url: str, method: str = "GET", body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 - a loopback address
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  # loopback
        return json.load(answer)


def test_the_process_serves_what_it_printed_and_is_controlled_over_http() -> None:
    command = [sys.executable, "-m", "moorage_testing.clouds.aws", "--nodes", "2"]
    command += ["--addresses", f"{IP},{OTHER_IP}", "--cluster", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command
        try:
            assert process.stdout is not None
            made = json.loads(process.stdout.readline())
            check_process(made)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0


def check_process(made: dict[str, Any]) -> None:
    url = f"{made['url']}/moorage"
    one, two = (instance["id"] for instance in made["instances"])
    assert made["instances"][0]["provider_id"].endswith(f"/{one}")
    assert set(made["addresses"]) == {IP, OTHER_IP}
    ec2 = client_of(made["environment"])
    raw_answer(
        f"{url}/faults", "POST", {"op": "AssociateAddress", "status": 503, "code": "Throttling"}
    )
    with pytest.raises(ClientError, match="Throttling"):
        ec2.associate_address(AllocationId=made["addresses"][IP], InstanceId=one)
    raw_answer(f"{url}/faults", "DELETE")
    ec2.associate_address(AllocationId=made["addresses"][IP], InstanceId=one)
    assert [call["op"] for call in raw_answer(f"{url}/calls")] == ["AssociateAddress"] * 2
    assert raw_answer(f"{url}/addresses")[0] == {
        "ip": IP,
        "reference": made["addresses"][IP],
        "instance": one,
    }
    raw_answer(f"{url}/addresses/{IP}/disassociate", "POST", {})
    raw_answer(f"{url}/instances/{one}/terminate", "POST", {})
    assert [instance["id"] for instance in raw_answer(f"{url}/instances")] == [two]
    assert raw_answer(f"{url}/violations") == []
    for path, body, status in (
        ("faults", {"op": "x", "colour": "red"}, 400),
        ("instances/i-00000000/stop", {}, 404),
        ("nothing", {}, 404),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            raw_answer(f"{url}/{path}", "POST", body)
        assert refused.value.code == status
        refused.value.close()
    ec2.close()
