"""The emulated Compute Engine: what it refuses, operations, lists, its faults and its process."""

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moorage_testing.clouds.gcp import GceEmulator, Instance
from moorage_testing.faults import Fault
from moorage_testing.waiting import PATIENCE, wait_for

IP, OTHER_IP, IP6 = "203.0.113.10", "203.0.113.11", "2001:db8:1::"
NAT = {"name": "External NAT", "type": "ONE_TO_ONE_NAT"}
REGION = "projects/example-project/regions/europe-west1"


@pytest.fixture
def emulator() -> Iterator[GceEmulator]:
    with GceEmulator() as emulator:
        emulator.world.add_address(IP)
        emulator.world.add_address(OTHER_IP)
        yield emulator
        assert emulator.violations == []


class Refusal(Exception):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.error = body.get("error", {}) if isinstance(body, dict) else {}
        self.reason = self.error.get("errors", [{}])[0].get("reason", "")


def call(url: str, verb: str = "GET", body: object = None, **query: str) -> Any:
    """The emulator's answer; raises ``Refusal``."""
    if query:
        url += f"?{urllib.parse.urlencode(query)}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=verb)  # noqa: S310 - a loopback address
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - loopback
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            is_json = error.headers["Content-Type"] == "application/json"
            refused = json.loads(text) if is_json else text
            raise Refusal(error.code, refused) from None


class Api:
    """Compute Engine over raw HTTP, without the SDK."""

    def __init__(self, emulator: GceEmulator) -> None:
        self.emulator = emulator

    def __call__(self, path: str, verb: str = "GET", body: object = None, **query: str) -> Any:
        return call(f"{self.emulator.url}/compute/v1/{path}", verb, body, **query)

    def add(self, instance: Instance, ip: str = "", body: object = None, **query: str) -> Any:
        config = body if body is not None else NAT | ({"natIP": ip} if ip else {})
        nic = {"networkInterface": "nic0"} | query
        return self(f"{path_of(instance)}/addAccessConfig", "POST", config, **nic)

    def delete(self, instance: Instance, **query: str) -> Any:
        named = {"networkInterface": "nic0", "accessConfig": "External NAT"} | query
        return self(f"{path_of(instance)}/deleteAccessConfig", "POST", **named)

    def update(self, instance: Instance, body: dict[str, Any]) -> Any:
        path = f"{path_of(instance)}/updateNetworkInterface"
        return self(path, "PATCH", body, networkInterface="nic0")

    def nic(self, instance: Instance) -> Any:
        return self(path_of(instance))["networkInterfaces"][0]

    def address(self, ip: str) -> Any:
        path = self.emulator.world.addresses()[ip]
        return self(f"projects/{path}")

    def wait(self, operation: Any) -> Any:
        zone = operation["zone"].rpartition("/")[2]
        path = f"projects/example-project/zones/{zone}/operations/{operation['name']}"
        return self(f"{path}/wait", "POST")

    def ended(self, operation: Any) -> Any:
        """The operation, done; fails unless it ended in an error."""
        done = self.wait(operation)
        assert (done["status"], done.get("error")) == ("DONE", None)
        return done


def path_of(instance: Instance) -> str:
    project, zone, name = instance.id.split("/")
    return f"projects/{project}/zones/{zone}/instances/{name}"


@pytest.fixture
def api(emulator: GceEmulator) -> Api:
    return Api(emulator)


@pytest.fixture
def bare(emulator: GceEmulator) -> Instance:
    (one,) = emulator.world.add_instances(1, with_public_ip=False)
    return one


def ipv6_body(api: Api, instance: Instance, **changes: Any) -> dict[str, Any]:
    config = {
        "name": "External IPv6",
        "type": "DIRECT_IPV6",
        "externalIpv6": IP6,
        "externalIpv6PrefixLength": 96,
        "networkTier": "PREMIUM",
    }
    body = {
        "fingerprint": api.nic(instance)["fingerprint"],
        "stackType": "IPV4_IPV6",
        "ipv6AccessConfigs": [config],
    }
    return body | changes


# Refusals.


def test_an_interface_has_one_access_config(api: Api, emulator: GceEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    with pytest.raises(Refusal, match="At most one access config currently supported") as refused:
        api.add(one, IP)
    assert (refused.value.status, refused.value.reason) == (400, "invalid")


def test_an_address_in_use_is_never_taken_from_its_user(api: Api, emulator: GceEmulator) -> None:
    one, two = emulator.world.add_instances(2, with_public_ip=False)
    api.ended(api.add(one, IP))
    with pytest.raises(Refusal, match="already in-use"):
        api.add(two, IP)
    assert emulator.world.holder(IP) == one.id


def test_an_address_of_a_forwarding_rule_is_in_use(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    rule = emulator.world.associate_elsewhere(IP)
    with pytest.raises(Refusal, match="already in-use"):
        api.add(bare, IP)
    row = api.address(IP)
    assert (row["status"], row["users"]) == ("IN_USE", [rule])


@pytest.mark.parametrize("ip", ["192.0.2.1", "203.0.113.99", "203.0.113.98"])
def test_only_a_reserved_address_of_the_same_region_is_accepted(
    api: Api, emulator: GceEmulator, bare: Instance, ip: str
) -> None:
    emulator.world.add_address("203.0.113.99", region="us-east1")
    emulator.world.add_address("203.0.113.98", region="")
    with pytest.raises(Refusal, match="was not found in region 'europe-west1'"):
        api.add(bare, ip)


@pytest.mark.parametrize(
    ("tier", "named"),
    [
        ("STANDARD", {}),
        ("STANDARD", {"networkTier": "PREMIUM"}),
        ("PREMIUM", {"networkTier": "STANDARD"}),
    ],
)
def test_an_access_config_must_have_the_tier_of_its_address(
    api: Api, emulator: GceEmulator, bare: Instance, tier: str, named: dict[str, str]
) -> None:
    emulator.world.add_address("203.0.113.99", tier=tier)
    with pytest.raises(Refusal, match="network tier"):
        api.add(bare, body=NAT | {"natIP": "203.0.113.99"} | named)
    api.ended(api.add(bare, body=NAT | {"natIP": "203.0.113.99", "networkTier": tier}))


def test_an_access_config_that_is_not_there_cannot_be_deleted(api: Api, bare: Instance) -> None:
    with pytest.raises(Refusal, match="does not exist"):
        api.delete(bare)


def test_an_unknown_interface_is_refused(api: Api, bare: Instance) -> None:
    with pytest.raises(Refusal, match="nic7"):
        api.add(bare, IP, networkInterface="nic7")


def test_a_missing_parameter_is_named(api: Api, bare: Instance) -> None:
    with pytest.raises(Refusal, match="'networkInterface' not specified") as refused:
        api(f"{path_of(bare)}/addAccessConfig", "POST", NAT)
    assert refused.value.reason == "required"


def test_add_access_config_refuses_ipv6(api: Api, bare: Instance) -> None:
    with pytest.raises(Refusal, match="DIRECT_IPV6"):
        api.add(bare, body={"type": "DIRECT_IPV6"})


@pytest.mark.parametrize(
    "path",
    [
        "zones/europe-west1-b/instances/vm-9",
        "zones/europe-west1-b/operations/operation-9",
        "regions/mars/addresses",
        "regions/europe-west1/addresses/ip-9",
        "global/networks",
    ],
)
def test_a_missing_resource_is_not_found(api: Api, path: str) -> None:
    with pytest.raises(Refusal) as refused:
        api(f"projects/example-project/{path}")
    assert (refused.value.status, refused.value.reason) == (404, "notFound")


def test_another_project_is_forbidden(api: Api) -> None:
    with pytest.raises(Refusal, match=r"'compute\.addresses\.list' permission") as refused:
        api("projects/another/regions/europe-west1/addresses")
    assert (refused.value.status, refused.value.reason) == (403, "forbidden")


# Instances and their addresses.


def test_a_stopped_instance_keeps_a_reserved_address_and_accepts_no_other(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.world.associate(IP, bare.id)
    emulator.world.stop(bare.id)
    assert api(path_of(bare))["status"] == "TERMINATED"
    assert emulator.world.holder(IP) == bare.id
    api.ended(api.delete(bare))
    with pytest.raises(Refusal, match="TERMINATED") as refused:
        api.add(bare, OTHER_IP)
    assert refused.value.reason == "resourceNotReady"


def test_a_stopped_instance_loses_an_ephemeral_address(api: Api, emulator: GceEmulator) -> None:
    (one,) = emulator.world.add_instances(1)
    before = emulator.world.public_ips(one.id)
    emulator.world.stop(one.id)
    assert "natIP" not in api.nic(one)["accessConfigs"][0]
    emulator.world.start(one.id)
    after = emulator.world.public_ips(one.id)
    assert len(before) == len(after) == 1
    assert before != after


def test_an_instance_that_is_still_starting_accepts_no_address(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.world.set_status(bare.id, "PROVISIONING")
    with pytest.raises(Refusal, match="PROVISIONING"):
        api.add(bare, IP)


def test_deleting_an_instance_frees_its_address(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.world.associate(IP, bare.id)
    assert api.address(IP)["users"][0].endswith(path_of(bare))
    emulator.world.terminate(bare.id)
    row = api.address(IP)
    assert (row["status"], row.get("users")) == ("RESERVED", None)


def test_a_recreated_instance_is_another_one(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.world.associate(IP, bare.id)
    folder = path_of(bare).rpartition("/")[0]
    old = api(path_of(bare))["id"]
    new = emulator.world.recreate(bare.id)
    assert emulator.world.holder(IP) == ""
    assert api(f"{folder}/{new}")["name"] == api(path_of(bare))["name"]
    with pytest.raises(Refusal, match=old) as refused:
        api(f"{folder}/{old}")
    assert refused.value.status == 404


def test_a_promoted_ephemeral_address_is_in_use_from_the_start(
    api: Api, emulator: GceEmulator
) -> None:
    (one,) = emulator.world.add_instances(1)
    (ephemeral,) = emulator.world.public_ips(one.id)
    emulator.world.add_address(ephemeral)
    assert api.address(ephemeral)["users"][0].endswith(path_of(one))


# Operations.


def test_an_operation_runs_at_first_and_is_done_later(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    operation = api.add(bare, IP)
    assert (operation["status"], operation["operationType"]) == ("RUNNING", "addAccessConfig")
    assert operation["targetId"] == api(path_of(bare))["id"]
    assert api.ended(operation)["name"] == operation["name"]
    assert emulator.world.holder(IP) == bare.id


def test_waiting_ends_with_the_operation(api: Api, emulator: GceEmulator, bare: Instance) -> None:
    emulator.faults.inject(Fault(op="instances.addAccessConfig", operation_seconds=0.2))
    api.ended(api.add(bare, IP))
    assert emulator.world.holder(IP) == bare.id


def test_waiting_ends_before_an_operation_that_takes_too_long(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.operation_seconds, emulator.wait_seconds = 60.0, 0.05
    operation = api.add(bare, IP)
    assert api.wait(operation)["status"] == "RUNNING"
    assert emulator.world.holder(IP) == ""


def test_others_are_served_while_somebody_waits(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.operation_seconds = 60.0
    operation = api.add(bare, IP)
    zone = operation["zone"].rpartition("/")[2]
    name = f"projects/example-project/zones/{zone}/operations/{operation['name']}"
    waiting = http.client.HTTPConnection("127.0.0.1", int(emulator.url.rpartition(":")[2]))
    waiting.request("POST", f"/compute/v1/{name}/wait")
    wait_for(lambda: "zoneOperations.wait" in emulator.faults.ops(), 10, "the one who waits")
    assert api(name)["status"] == "RUNNING"
    emulator.wait_seconds = 0.0
    waiting.close()


def test_an_operation_may_fail_late_and_change_nothing(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.faults.inject(
        Fault(op="instances.addAccessConfig", late=True, code="QUOTA_EXCEEDED", message="no more")
    )
    done = api.wait(api.add(bare, IP))
    assert done["status"] == "DONE"
    assert done["error"]["errors"] == [{"code": "QUOTA_EXCEEDED", "message": "no more"}]
    assert emulator.world.holder(IP) == ""


def test_of_two_accepted_for_one_address_the_second_fails_late(
    api: Api, emulator: GceEmulator
) -> None:
    one, two = emulator.world.add_instances(2, with_public_ip=False)
    emulator.operation_seconds = 0.2
    first, second = api.add(one, IP), api.add(two, IP)
    api.ended(first)
    (error,) = api.wait(second)["error"]["errors"]
    assert error["code"] == "IP_IN_USE_BY_ANOTHER_RESOURCE"
    assert emulator.world.holder(IP) == one.id


def test_the_operation_on_an_instance_deleted_meanwhile_fails(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.operation_seconds = 0.2
    operation = api.add(bare, IP)
    emulator.world.recreate(bare.id)
    (error,) = api.wait(operation)["error"]["errors"]
    assert error["code"] == "RESOURCE_NOT_FOUND"


def test_an_instance_is_changed_by_one_operation_at_a_time(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.operation_seconds = 60.0
    api.add(bare, IP)
    with pytest.raises(Refusal) as refused:
        api.add(bare, OTHER_IP)
    assert refused.value.reason == "resourceNotReady"


def test_a_request_id_stands_for_one_operation(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    key = str(uuid.uuid4())
    first = api.add(bare, IP, requestId=key)
    assert first["clientOperationId"] == key
    api.ended(first)
    again = api.add(bare, IP, requestId=key)
    assert (again["name"], again["status"]) == (first["name"], "DONE")
    api.ended(api.delete(bare))
    assert api.add(bare, IP, requestId=key)["name"] == first["name"]
    assert emulator.world.holder(IP) == ""


def test_a_request_id_is_of_one_request_only(api: Api, bare: Instance) -> None:
    key = str(uuid.uuid4())
    api.ended(api.add(bare, IP, requestId=key))
    with pytest.raises(Refusal, match="with other contents"):
        api.add(bare, OTHER_IP, requestId=key)


@pytest.mark.parametrize("key", ["soon", "00000000-0000-0000-0000-000000000000"])
def test_a_request_id_is_a_uuid(api: Api, bare: Instance, key: str) -> None:
    with pytest.raises(Refusal, match="Must be a UUID"):
        api.add(bare, IP, requestId=key)


# IPv6.


def test_an_ipv6_range_comes_and_goes_with_the_interface(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.world.add_address(IP6)
    api.ended(api.update(bare, ipv6_body(api, bare)))
    nic = api.nic(bare)
    assert (nic["stackType"], nic["ipv6AccessType"]) == ("IPV4_IPV6", "EXTERNAL")
    assert emulator.world.holder(IP6) == bare.id
    api.ended(api.update(bare, {"fingerprint": nic["fingerprint"], "stackType": "IPV4_ONLY"}))
    assert emulator.world.holder(IP6) == ""


def test_an_interface_is_updated_as_it_was_read(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.world.add_address(IP6)
    body = ipv6_body(api, bare)
    with pytest.raises(Refusal, match="fingerprint") as missing:
        api.update(bare, {"stackType": "IPV4_ONLY"})
    assert (missing.value.status, missing.value.reason) == (400, "required")
    api.ended(api.add(bare, IP))
    with pytest.raises(Refusal, match="fingerprint") as stale:
        api.update(bare, body)
    assert (stale.value.status, stale.value.reason) == (412, "conditionNotMet")


def test_an_interface_has_one_ipv6_range(api: Api, emulator: GceEmulator, bare: Instance) -> None:
    emulator.world.add_address(IP6)
    emulator.world.set_stack(bare.id, "IPV4_IPV6")
    with pytest.raises(Refusal, match="At most one"):
        api.update(bare, ipv6_body(api, bare))


def test_a_subnetwork_with_internal_ipv6_gives_no_external_range(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.world.add_address(IP6)
    emulator.world.set_ipv6_access("INTERNAL")
    with pytest.raises(Refusal, match="external IPv6 access"):
        api.update(bare, ipv6_body(api, bare))


# Lists.


def test_a_list_comes_in_pages(api: Api, emulator: GceEmulator) -> None:
    for number in range(499):
        emulator.world.add_address(f"198.18.{number // 250}.{number % 250}")
    first = api(f"{REGION}/addresses")
    second = api(f"{REGION}/addresses", pageToken=first["nextPageToken"])
    rows = first["items"] + second["items"]
    assert (len(first["items"]), "nextPageToken" in second) == (500, False)
    assert {row["address"] for row in rows} == set(emulator.world.addresses())
    few = api(f"{REGION}/addresses", maxResults="3")
    assert [row["address"] for row in few["items"]] == [IP, OTHER_IP, "198.18.0.0"]


@pytest.mark.parametrize("query", [{"maxResults": "501"}, {"pageToken": "x"}])
def test_an_invalid_page_size_is_refused(api: Api, query: dict[str, str]) -> None:
    with pytest.raises(Refusal, match="Invalid value"):
        api(f"{REGION}/addresses", **query)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'address = "{IP}"', [IP]),
        (f"address={IP}", [IP]),
        (f"address!={IP}", [OTHER_IP]),
        (f'(addressType = "EXTERNAL") (address = "{IP}")', [IP]),
        (f'(status="RESERVED") AND (address="{IP}")', [IP]),
        ('status = "IN_USE"', []),
    ],
)
def test_a_list_is_filtered(api: Api, text: str, found: list[str]) -> None:
    rows = api(f"{REGION}/addresses", filter=text)["items"]
    assert [row["address"] for row in rows] == found


def test_an_unsupported_filter_is_refused(api: Api) -> None:
    with pytest.raises(Refusal, match="Invalid list filter expression"):
        api(f"{REGION}/addresses", filter="address ~ 203")


def test_all_regions_are_listed_and_the_empty_ones_say_so(api: Api, emulator: GceEmulator) -> None:
    emulator.world.add_address("203.0.113.99", region="")
    items = api("projects/example-project/aggregated/addresses")["items"]
    assert [row["address"] for row in items["global"]["addresses"]] == ["203.0.113.99"]
    here = [row["address"] for row in items["regions/europe-west1"]["addresses"]]
    assert here == [IP, OTHER_IP]
    assert items["regions/us-east1"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"


def test_a_region_that_cannot_be_reached_says_so(api: Api, emulator: GceEmulator) -> None:
    emulator.unreachable = ("us-east1",)
    items = api("projects/example-project/aggregated/addresses")["items"]
    assert items["regions/us-east1"]["warning"]["code"] == "UNREACHABLE"


def test_the_instances_of_a_zone_are_listed(api: Api, emulator: GceEmulator) -> None:
    instances = emulator.world.add_instances(5)
    zone = instances[0].zone
    rows = api(f"projects/example-project/zones/{zone}/instances")["items"]
    assert [row["name"] for row in rows] == ["vm-1", "vm-4"]


def test_a_thousand_instances_have_an_address_each(emulator: GceEmulator) -> None:
    instances = emulator.world.add_instances(1000)
    assert len({instance.private_ip for instance in instances}) == 1000
    assert len({emulator.world.public_ips(instance.id) for instance in instances[::50]}) == 20


# Faults.


def test_an_injected_answer_is_googles_error_document(api: Api, emulator: GceEmulator) -> None:
    emulator.faults.inject(
        Fault(op="addresses.list", status=403, code="rateLimitExceeded", message="slowly")
    )
    with pytest.raises(Refusal) as refused:
        api(f"{REGION}/addresses")
    assert refused.value.status == 403
    assert refused.value.error == {
        "code": 403,
        "message": "slowly",
        "errors": [{"message": "slowly", "domain": "global", "reason": "rateLimitExceeded"}],
    }


def test_an_injected_answer_without_a_code_is_a_web_page(api: Api, emulator: GceEmulator) -> None:
    emulator.faults.inject(Fault(op="addresses.list", status=502))
    with pytest.raises(Refusal, match="Bad gateway"):
        api(f"{REGION}/addresses")


def test_a_lost_answer_leaves_the_effect(api: Api, emulator: GceEmulator, bare: Instance) -> None:
    emulator.faults.inject(Fault(op="instances.addAccessConfig", drop="after"))
    with pytest.raises(http.client.RemoteDisconnected):
        api.add(bare, IP)
    assert emulator.world.holder(IP) == bare.id


def test_a_connection_broken_before_the_work_leaves_none(
    api: Api, emulator: GceEmulator, bare: Instance
) -> None:
    emulator.faults.inject(Fault(op="instances.addAccessConfig", drop="before"))
    with pytest.raises(http.client.RemoteDisconnected):
        api.add(bare, IP)
    assert emulator.world.holder(IP) == ""


def test_the_call_log_has_every_parameter(api: Api, emulator: GceEmulator, bare: Instance) -> None:
    api.add(bare, IP)
    (call,) = emulator.faults.calls
    _, zone, name = bare.id.split("/")
    assert call.op == "instances.addAccessConfig"
    assert call.params == NAT | {
        "project": "example-project",
        "zone": zone,
        "instance": name,
        "networkInterface": "nic0",
        "natIP": IP,
    }


def test_an_emulator_starts_empty_after_another(emulator: GceEmulator) -> None:
    emulator.world.add_instances(1)
    emulator.__exit__(None, None, None)
    with emulator:
        assert (emulator.world.instances(), emulator.world.addresses()) == ((), {})


# Its own process.


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_process_serves_what_it_printed_is_controlled_over_http_and_leaves_nothing(
    tmp_path: Path, end: signal.Signals
) -> None:
    command = [sys.executable, "-m", "moorage_testing.clouds.gcp", "--nodes", "2"]
    command += ["--addresses", f"{IP},{OTHER_IP}", "--cluster", "demo"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:  # noqa: S603 - our own command
        try:
            assert process.stdout is not None
            made = json.loads(process.stdout.readline())
            assert list(tmp_path.iterdir()) != []
            check_process(made)
        finally:
            process.send_signal(end)
            assert process.wait(PATIENCE) == 0
    assert list(tmp_path.iterdir()) == []


def check_process(made: dict[str, Any]) -> None:
    url = f"{made['url']}/moorage"
    one, two = (instance["id"] for instance in made["instances"])
    assert made["instances"][0]["provider_id"] == f"gce://{one}"
    assert (made["region"], set(made["addresses"])) == ("europe-west1", {IP, OTHER_IP})
    assert made["environment"]["MOORAGE_GCP_ENDPOINT"] == made["url"]
    listed = f"{made['url']}/compute/v1/{REGION}/addresses"
    call(f"{url}/faults", "POST", {"op": "addresses.list", "status": 503, "code": "backendError"})
    with pytest.raises(Refusal, match="backendError"):
        call(listed)
    call(f"{url}/faults", "DELETE")
    assert len(call(listed)["items"]) == 2
    assert [call["op"] for call in call(f"{url}/calls")] == ["addresses.list"] * 2
    assert call(f"{url}/changes") == []
    assert call(f"{url}/addresses")[0] == {
        "ip": IP,
        "reference": made["addresses"][IP],
        "instance": "",
    }
    call(f"{url}/instances/{urllib.parse.quote(one, safe='')}/terminate", "POST", {})
    assert [instance["id"] for instance in call(f"{url}/instances")] == [two]
    project, zone, name = two.split("/")
    row = call(f"{made['url']}/compute/v1/projects/{project}/zones/{zone}/instances/{name}")
    assert row["labels"] == {"goog-k8s-cluster-name": "demo"}
    assert call(f"{url}/violations") == []
