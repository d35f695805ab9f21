"""The emulated Azure: what it refuses, what ends late, its faults, pages and its own process."""

import json
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient, types
from azure.mgmt.network.models import NetworkInterface, PublicIPAddress

from moorage_testing.clouds.azure import ArmEmulator, Instance, schema
from moorage_testing.faults import Fault
from moorage_testing.waiting import PATIENCE

IP, OTHER_IP = "203.0.113.10", "203.0.113.11"
GROUP = "moorage"
WRITE = "networkInterfaces.createOrUpdate"


class Token:
    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        del scopes, options
        return AccessToken("anonymous", int(time.time()) + 3600)


class Clients:
    """The SDK's clients of one emulator, without automatic retries."""

    def __init__(self, environment: dict[str, str]) -> None:
        options: dict[str, Any] = {
            "base_url": environment["MOORAGE_AZURE_ENDPOINT"],
            "connection_verify": environment["REQUESTS_CA_BUNDLE"],
            "retry_total": 0,
            "polling_interval": 0.02,
            "read_timeout": 10,
        }
        subscription = environment["AZURE_SUBSCRIPTION_ID"]
        self.network = NetworkManagementClient(Token(), subscription, **options)
        self.compute = ComputeManagementClient(Token(), subscription, **options)

    def close(self) -> None:
        self.network.close()
        self.compute.close()

    def read(self, instance: Instance) -> NetworkInterface:
        return self.network.network_interfaces.get(GROUP, instance.interface_id.split("/")[-1])

    def write(self, interface: NetworkInterface, *, etag: str = "", wait: bool = True) -> None:
        poller = self.network.network_interfaces.begin_create_or_update(
            GROUP,
            str(interface.name),
            interface,
            headers={"If-Match": etag} if etag else {},
            polling=wait,
        )
        poller.result()

    def attach(self, instance: Instance, address_id: str, *, wait: bool = True) -> None:
        interface = self.read(instance)
        interface.ip_configurations[0].public_ip_address = PublicIPAddress(id=address_id)
        self.write(interface, etag=str(interface.etag), wait=wait)

    def detach(self, instance: Instance) -> None:
        interface = self.read(instance)
        interface.ip_configurations[0].public_ip_address = None
        self.write(interface, etag=str(interface.etag))


@pytest.fixture
def emulator() -> Iterator[ArmEmulator]:
    with ArmEmulator() as emulator:
        emulator.world.add_address(IP)
        emulator.world.add_address(OTHER_IP)
        yield emulator
        assert emulator.violations == []


@pytest.fixture
def clients(emulator: ArmEmulator) -> Iterator[Clients]:
    clients = Clients(emulator.environment)
    yield clients
    clients.close()


def refused(work: Callable[[], object]) -> tuple[int, str]:
    """The HTTP status and the code of a refusal."""
    with pytest.raises(HttpResponseError) as error:
        work()
    assert error.value.error is not None
    return error.value.status_code or 0, error.value.error.code or ""


def raw_answer(emulator: ArmEmulator, path: str, method: str = "GET", body: object = None) -> Any:
    """The answer of the API, without the SDK in between."""
    return answered(emulator.environment, f"{emulator.url}{path}?api-version=1", method, body)


def answered(
    environment: dict[str, str], url: str, method: str = "GET", body: object = None
) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": "Bearer anonymous"}
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - a loopback address
    context = ssl.create_default_context(cafile=environment["REQUESTS_CA_BUNDLE"])
    with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def test_an_address_is_attached_and_detached(clients: Clients, emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    clients.attach(one, emulator.world.addresses()[IP])
    assert emulator.world.holder(IP) == one.id
    row = clients.network.public_ip_addresses.get(GROUP, "ip-203-0-113-10")
    assert row.ip_configuration.id.lower() == f"{one.interface_id}/ipconfigurations/ipconfig1"
    clients.detach(one)
    assert emulator.world.holder(IP) == ""


def test_ids_mean_the_same_in_any_case(clients: Clients, emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    clients.attach(one, emulator.world.addresses()[IP].upper())
    name = one.interface_id.split("/")[-1].upper()
    assert clients.network.network_interfaces.get(GROUP.upper(), name).name == name.lower()
    assert emulator.world.holder(IP) == one.id


def test_an_address_is_never_taken_from_its_holder(clients: Clients, emulator: ArmEmulator) -> None:
    one, two = emulator.world.add_instances(2)
    address = emulator.world.addresses()[IP]
    clients.attach(one, address)
    assert refused(lambda: clients.attach(two, address)) == (400, "PublicIPAddressInUse")
    for holder in ("loadBalancer", "natGateway"):
        emulator.world.associate_elsewhere(IP, to=holder)
        assert refused(lambda: clients.attach(two, address)) == (400, "PublicIPAddressInUse")


def test_an_address_is_on_one_private_address(emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    body = raw_answer(emulator, one.interface_id)
    (first,) = body["properties"]["ipConfigurations"]
    first["properties"]["publicIPAddress"] = {"id": emulator.world.addresses()[IP]}
    second = {"name": "ipconfig2", "properties": {**first["properties"], "primary": False}}
    body["properties"]["ipConfigurations"].append(second)
    with pytest.raises(urllib.error.HTTPError) as error:
        raw_answer(emulator, one.interface_id, "PUT", body)
    with error.value as answer:
        assert json.load(answer)["error"]["code"] == "PublicIPReferencedByMultipleIPConfigs"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"location": "eastus"}, "InvalidResourceReference"),
        ({"sku": "Basic"}, "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed"),
        ({"zones": ("9",)}, "ResourceZonesMismatch"),
    ],
)
def test_an_address_that_does_not_fit_is_refused(
    clients: Clients, emulator: ArmEmulator, options: dict[str, Any], code: str
) -> None:
    (one,) = emulator.world.add_instances(1)
    address = emulator.world.add_address("198.51.100.1", **options)
    assert refused(lambda: clients.attach(one, address)) == (400, code)


def test_an_address_that_does_not_exist_is_refused(clients: Clients, emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    address = emulator.world.addresses()[IP]
    emulator.world.remove_address(IP)
    assert refused(lambda: clients.attach(one, address)) == (400, "InvalidResourceReference")


def test_a_write_of_what_was_read_before_another_is_refused(
    clients: Clients, emulator: ArmEmulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    before = clients.read(one)
    clients.attach(one, emulator.world.addresses()[IP])
    assert refused(lambda: clients.write(before, etag=str(before.etag))) == (
        412,
        "PreconditionFailed",
    )
    assert emulator.world.holder(IP) == one.id


def test_a_write_without_a_version_undoes_what_came_between(
    clients: Clients, emulator: ArmEmulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    before = clients.read(one)
    clients.attach(one, emulator.world.addresses()[IP])
    clients.write(before)
    assert emulator.world.holder(IP) == ""


def test_a_write_replaces_everything(clients: Clients, emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    before = clients.read(one)
    clients.attach(one, emulator.world.addresses()[IP])
    kept = clients.read(one)
    assert (kept.tags, kept.enable_ip_forwarding) == (before.tags, True)
    assert kept.ip_configurations[0].load_balancer_backend_address_pools
    assert kept.virtual_machine.id == before.virtual_machine.id
    body = raw_answer(emulator, one.interface_id)
    part = {"name": "ipconfig1", "properties": {"primary": True}}
    bare = {"location": body["location"], "properties": {"ipConfigurations": [part]}}
    raw_answer(emulator, one.interface_id, "PUT", bare)
    now = clients.read(one)
    assert (now.tags, now.enable_ip_forwarding, now.network_security_group) == ({}, None, None)
    # Fields that the writer cannot change stay.
    assert now.virtual_machine.id == before.virtual_machine.id
    assert now.ip_configurations[0].private_ip_address == one.private_ip


def test_read_only_fields_are_ignored_and_unknown_ones_are_refused(
    clients: Clients, emulator: ArmEmulator
) -> None:
    one, two = emulator.world.add_instances(2)
    body = raw_answer(emulator, one.interface_id)
    assert "virtualMachine" in body["properties"]
    body["properties"]["virtualMachine"] = {"id": two.id}
    body["etag"] = "mine"
    raw_answer(emulator, one.interface_id, "PUT", body)
    assert clients.read(one).virtual_machine.id.lower() == one.id
    body["properties"]["colour"] = "red"
    with pytest.raises(urllib.error.HTTPError) as error:
        raw_answer(emulator, one.interface_id, "PUT", body)
    with error.value as answer:
        error = json.load(answer)["error"]
    assert error["code"] == "InvalidRequestContent"
    assert "networkInterface.properties.colour: unknown" in error["message"]


def test_an_interface_has_exactly_one_primary_configuration(
    clients: Clients, emulator: ArmEmulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    interface = clients.read(one)
    interface.ip_configurations[0].primary = False
    assert refused(lambda: clients.write(interface)) == (400, "InvalidRequestFormat")


def test_an_operation_takes_its_time_and_locks_what_it_touches(
    clients: Clients, emulator: ArmEmulator
) -> None:
    one, two = emulator.world.add_instances(2)
    address = emulator.world.addresses()[IP]
    emulator.faults.inject(Fault(op=WRITE, operation_seconds=30))
    clients.attach(one, address, wait=False)
    assert emulator.world.holder(IP) == ""
    assert emulator.world.provisioning_state(one.id) == "Updating"
    assert refused(lambda: clients.attach(one, address)) == (
        429,
        "RetryableErrorDueToAnotherOperation",
    )
    assert refused(lambda: clients.attach(two, address)) == (409, "AnotherOperationInProgress")


def test_an_operation_is_polled_to_its_end(clients: Clients, emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    emulator.faults.inject(Fault(op=WRITE, operation_seconds=0.2))
    since = len(emulator.faults.calls)
    clients.attach(one, emulator.world.addresses()[IP])
    ops = emulator.faults.ops(since)
    # The SDK reads the resource at the end.
    assert ops[:2] == ("networkInterfaces.get", WRITE)
    assert set(ops[2:-1]) == {"operations.get"}
    assert emulator.world.holder(IP) == one.id


def test_an_operation_that_fails_late_changes_nothing_but_the_state(
    clients: Clients, emulator: ArmEmulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    address = emulator.world.addresses()[IP]
    emulator.faults.inject(Fault(op=WRITE, late=True, code="InternalServerError"))
    # The status 200 is that of the answer about the failed operation.
    assert refused(lambda: clients.attach(one, address)) == (200, "InternalServerError")
    assert emulator.world.holder(IP) == ""
    assert emulator.world.provisioning_state(one.id) == "Failed"
    clients.attach(one, address)
    assert emulator.world.provisioning_state(one.id) == "Succeeded"


def test_an_unknown_operation_is_not_found(emulator: ArmEmulator) -> None:
    subscription = emulator.environment["AZURE_SUBSCRIPTION_ID"]
    where = f"/subscriptions/{subscription}/providers/Microsoft.Network/locations/x/operations/y"
    with pytest.raises(urllib.error.HTTPError) as error:
        raw_answer(emulator, where)
    with error.value as answer:
        assert answer.code == 404


def test_an_administrators_lock_refuses_writes(clients: Clients, emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    emulator.world.lock(one.id)
    address = emulator.world.addresses()[IP]
    assert refused(lambda: clients.attach(one, address)) == (409, "ScopeLocked")


def test_a_stopped_machine_keeps_its_address(clients: Clients, emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    clients.attach(one, emulator.world.addresses()[IP])
    name = one.id.split("/")[-1]

    def power() -> str:
        row = clients.compute.virtual_machines.get(GROUP, name, expand="instanceView")
        return str(row.instance_view.statuses[-1].code)

    emulator.world.stop(one.id)
    assert (power(), emulator.world.holder(IP)) == ("PowerState/deallocated", one.id)
    emulator.world.start(one.id)
    assert power() == "PowerState/running"
    assert clients.compute.virtual_machines.get(GROUP, name).instance_view is None


def test_a_deleted_machine_leaves_its_interface_with_the_address(
    clients: Clients, emulator: ArmEmulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    clients.attach(one, emulator.world.addresses()[IP])
    emulator.world.terminate(one.id)
    with pytest.raises(ResourceNotFoundError):
        clients.compute.virtual_machines.get(GROUP, one.id.split("/")[-1])
    interface = clients.read(one)
    assert interface.virtual_machine is None
    assert interface.ip_configurations[0].public_ip_address.id == emulator.world.addresses()[IP]
    assert emulator.world.holder(IP) == ""


def test_an_interface_may_go_with_its_machine(clients: Clients, emulator: ArmEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    clients.attach(one, emulator.world.addresses()[IP])
    interface = clients.read(one)
    emulator.world.terminate(one.id, with_interface=True)
    row = clients.network.public_ip_addresses.get(GROUP, "ip-203-0-113-10")
    assert row.ip_configuration is None
    # With a version, a write never recreates an interface.
    assert refused(lambda: clients.write(interface, etag=str(interface.etag))) == (
        412,
        "PreconditionFailed",
    )


def test_machines_of_a_flexible_scale_set_are_ordinary_ones(
    clients: Clients, emulator: ArmEmulator
) -> None:
    (one,) = emulator.world.add_instances(1, flexible="pool")
    clients.attach(one, emulator.world.addresses()[IP])
    assert emulator.world.holder(IP) == one.id
    (scale_set,) = clients.compute.virtual_machine_scale_sets.list_all()
    assert scale_set.orchestration_mode == "Flexible"
    row = clients.compute.virtual_machines.get(GROUP, one.id.split("/")[-1])
    assert row.virtual_machine_scale_set.id == scale_set.id


def test_instances_of_a_uniform_scale_set_are_in_separate_lists(
    clients: Clients, emulator: ArmEmulator
) -> None:
    one, two = emulator.world.add_scale_set_instances("pool", 2, ips=("198.51.100.1",))
    network, compute = clients.network, clients.compute
    assert list(network.network_interfaces.list_all()) == []
    assert list(compute.virtual_machines.list_all()) == []
    assert len(list(network.public_ip_addresses.list_all())) == 2
    row = compute.virtual_machine_scale_set_vms.get(GROUP, "pool", "1", expand="instanceView")
    assert str(row.id).lower() == two.id
    (nic,) = network.network_interfaces.list_virtual_machine_scale_set_vm_network_interfaces(
        GROUP, "pool", "0"
    )
    assert str(nic.id).lower() == one.interface_id
    (address,) = (
        network.public_ip_addresses.list_virtual_machine_scale_set_public_ip_addresses(
            GROUP, "pool"
        )
    )  # fmt: skip
    assert address.ip_address == "198.51.100.1"
    assert emulator.world.holder("198.51.100.1") == one.id
    with pytest.raises(urllib.error.HTTPError) as error:
        raw_answer(emulator, one.interface_id, "PUT", {})
    with error.value as answer:
        assert answer.code == 404
    emulator.world.terminate(one.id)
    assert set(emulator.world.addresses()) == {IP, OTHER_IP}


def test_a_list_comes_in_pages(clients: Clients, emulator: ArmEmulator) -> None:
    emulator.page_size = 2
    instances = emulator.world.add_instances(5)
    since = len(emulator.faults.calls)
    listed = [str(nic.id).lower() for nic in clients.network.network_interfaces.list_all()]
    assert listed == [instance.interface_id for instance in instances]
    assert emulator.faults.ops(since) == ("networkInterfaces.listAll",) * 3
    assert len(list(clients.network.network_interfaces.list(GROUP))) == 5
    assert list(clients.network.network_interfaces.list("elsewhere")) == []


def test_a_request_without_a_token_is_refused(emulator: ArmEmulator) -> None:
    url = f"{emulator.url}{emulator.world.addresses()[IP]}?api-version=1"
    context = ssl.create_default_context(cafile=emulator.environment["REQUESTS_CA_BUNDLE"])
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(url, timeout=PATIENCE, context=context)  # noqa: S310 - a loopback address
    with error.value as answer:
        assert json.load(answer)["error"]["code"] == "InvalidAuthenticationToken"


def test_a_version_of_the_api_must_be_named(emulator: ArmEmulator) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        answered(emulator.environment, f"{emulator.url}{emulator.world.addresses()[IP]}")
    with error.value as answer:
        assert json.load(answer)["error"]["code"] == "MissingApiVersionParameter"


def test_an_injected_answer_is_azures_error_document(
    clients: Clients, emulator: ArmEmulator
) -> None:
    emulator.faults.inject(
        Fault(op="publicIPAddresses.get", status=429, code="TooManyRequests", message="slow down")
    )
    with pytest.raises(HttpResponseError, match="slow down") as error:
        clients.network.public_ip_addresses.get(GROUP, "ip-203-0-113-10")
    assert error.value.status_code == 429


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_broken_connection_leaves_the_effect_or_none(
    clients: Clients, emulator: ArmEmulator, drop: Any
) -> None:
    (one,) = emulator.world.add_instances(1)
    emulator.faults.inject(Fault(op=WRITE, drop=drop))
    with pytest.raises(ServiceResponseError):
        clients.attach(one, emulator.world.addresses()[IP])
    assert emulator.world.holder(IP) == (one.id if drop == "after" else "")


def test_what_is_not_emulated_is_no_resource_type(emulator: ArmEmulator) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        raw_answer(emulator, "/subscriptions/x/providers/Microsoft.Batch/pools")
    with error.value as answer:
        assert json.load(answer)["error"]["code"] == "InvalidResourceType"


INTERFACE = "networkInterface"
METHOD = f"{INTERFACE}.properties.ipConfigurations[].properties.privateIPAllocationMethod"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"id": "1", "properties": {"ipConfigurations": [{"properties": {}}]}}, []),
        ({"colour": "red"}, [f"{INTERFACE}.colour: unknown"]),
        ({"id": 1}, [f"{INTERFACE}.id: int is no str"]),
        (
            {"properties": []},
            [f"{INTERFACE}.properties: list is no NetworkInterfacePropertiesFormat"],
        ),
        (
            {"properties": {"primary": 1}},
            [f"{INTERFACE}.properties.primary: int is no bool"],
        ),
        (
            {"properties": {"ipConfigurations": {}}},
            [f"{INTERFACE}.properties.ipConfigurations: dict is no list"],
        ),
        (
            {
                "properties": {
                    "ipConfigurations": [{"properties": {"privateIPAllocationMethod": "Often"}}]
                }
            },
            [f"{METHOD}: 'Often' is not one of IPAllocationMethod"],
        ),
    ],
)
def test_a_value_that_violates_the_sdks_types_is_noticed(value: object, found: list[str]) -> None:
    assert schema.problems(types.NetworkInterface, value, INTERFACE) == found


def test_read_only_fields_are_removed_at_every_depth() -> None:
    value = {
        "etag": "1",
        "tags": {"etag": "mine"},
        "properties": {"macAddress": "0", "ipConfigurations": [{"name": "a", "etag": "1"}]},
    }
    assert schema.writable(types.NetworkInterface, value) == {
        "tags": {"etag": "mine"},
        "properties": {"ipConfigurations": [{"name": "a"}]},
    }


def test_an_answer_that_violates_the_sdks_types_is_a_violation(emulator: ArmEmulator) -> None:
    row = emulator._account.get(emulator.world.addresses()[IP])
    row["properties"]["colour"] = "red"
    raw_answer(emulator, row["id"])
    assert emulator.violations == ["publicIPAddresses.get.properties.colour: unknown"]
    emulator.violations.clear()


def test_the_process_serves_what_it_printed_and_is_controlled_over_http() -> None:
    command = [sys.executable, "-m", "moorage_testing.clouds.azure", "--nodes", "2"]
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
    environment, url = made["environment"], f"{made['url']}/moorage"
    one, two = (Instance(**instance) for instance in made["instances"])
    assert one.provider_id.lower() == f"azure://{one.id}"
    assert set(made["addresses"]) == {IP, OTHER_IP}
    clients = Clients(environment)
    fault = {"op": WRITE, "status": 429, "code": "TooManyRequests"}
    answered(environment, f"{url}/faults", "POST", fault)
    assert refused(lambda: clients.attach(one, made["addresses"][IP])) == (429, "TooManyRequests")
    answered(environment, f"{url}/faults", "DELETE")
    clients.attach(one, made["addresses"][IP])
    clients.close()
    calls = [call["op"] for call in answered(environment, f"{url}/calls")]
    assert calls.count(WRITE) == 2
    changes = [call["op"] for call in answered(environment, f"{url}/changes")]
    assert changes == [WRITE, WRITE]
    assert answered(environment, f"{url}/addresses")[0] == {
        "ip": IP,
        "reference": made["addresses"][IP],
        "instance": one.id,
    }
    answered(environment, f"{url}/addresses/{IP}/disassociate", "POST", {})
    terminate = f"{url}/instances/{one.id.replace('/', '%2F')}/terminate"
    answered(environment, terminate, "POST", {})
    left = answered(environment, f"{url}/instances")
    assert [instance["id"] for instance in left] == [two.id]
    assert answered(environment, f"{url}/violations") == []
