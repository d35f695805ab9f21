"""Compute Engine's descriptions mapped to Moorage's values."""

from typing import Any

import pytest
from google.cloud.compute_v1 import Address, Instance

from moorage_provider.errors import MachineUnfit
from moorage_provider.protocol import MachineHolder, OtherHolder
from moorage_provider_gcp import mapping
from moorage_provider_gcp.identity import InZone
from moorage_provider_gcp.mapping import GcpAddress, GcpMachine

ROOT = "https://www.googleapis.com/compute/v1/projects/p"
VM = InZone("p", "europe-west1-b", "vm-1")
LINK = f"{ROOT}/zones/europe-west1-b/instances/vm-1"


def address(**fields: Any) -> GcpAddress:
    row = {
        "address": "203.0.113.10",
        "name": "ip-1",
        "status": "RESERVED",
        "network_tier": "STANDARD",
        "region": f"{ROOT}/regions/europe-west1",
        "self_link": f"{ROOT}/regions/europe-west1/addresses/ip-1",
        **fields,
    }
    return mapping.address(Address(row))


def machine(nics: list[dict[str, Any]], *, reserved: bool = False, **fields: Any) -> GcpMachine:
    row = {"name": "vm-1", "id": 12, "status": "RUNNING", "network_interfaces": nics, **fields}
    return mapping.machine(Instance(row), VM, "nic0", reserved=reserved)


def nic(name: str = "nic0", nat_ip: str | None = None, **fields: Any) -> dict[str, Any]:
    configs = [] if nat_ip is None else [{"name": "External NAT", "nat_i_p": nat_ip}]
    return {"name": name, "network_i_p": "10.0.0.2", "access_configs": configs, **fields}


def test_a_free_address_has_neither_holder_nor_token() -> None:
    assert address() == GcpAddress(
        ip="203.0.113.10",
        reference="p/regions/europe-west1/addresses/ip-1",
        holder=None,
        token="",
        location="europe-west1",
        labels=frozenset(),
        tier="STANDARD",
    )


def test_an_address_on_an_instance_is_a_machines() -> None:
    read_back = address(users=[LINK], status="IN_USE")
    assert (read_back.holder, read_back.token) == (MachineHolder("p/europe-west1-b/vm-1"), LINK)


@pytest.mark.parametrize(
    ("users", "words"),
    [
        ([f"{ROOT}/regions/r/forwardingRules/f"], "p/regions/r/forwardingRules/f"),
        ([f"{ROOT}/regions/r/routers/a", f"{ROOT}/regions/r/routers/b"], "routers/a and p/regions"),
        ([LINK, f"{ROOT}/regions/r/routers/a"], "instances/vm-1 and p/regions/r/routers/a"),
        ([], "does not name"),
    ],
)
def test_an_address_on_anything_else_is_described(users: list[str], words: str) -> None:
    read_back = address(users=users, status="IN_USE")
    assert isinstance(read_back.holder, OtherHolder)
    assert words in read_back.holder.description
    assert read_back.token


def test_an_ipv6_address_is_canonical() -> None:
    assert address(address="2001:0DB8:0:0::0").ip == "2001:db8::"


def test_an_instance_is_read_with_the_interface_that_is_set() -> None:
    read_back = machine([nic("nic1", "203.0.113.9"), nic("nic0", "203.0.113.10")], reserved=True)
    assert read_back == GcpMachine(
        machine_id="p/europe-west1-b/vm-1",
        interface_id="",
        private_ip="10.0.0.2",
        running=True,
        location="europe-west1",
        zone="europe-west1-b",
        public_ip="203.0.113.10",
        public_ip_reserved=True,
        number="12",
    )


@pytest.mark.parametrize("configs", [None, ""])
def test_an_access_config_of_a_stopped_instance_has_no_address(configs: str | None) -> None:
    assert machine([nic(nat_ip=configs)], status="TERMINATED").public_ip == ""


@pytest.mark.parametrize("status", ["PROVISIONING", "STAGING", "STOPPING", "TERMINATED"])
def test_an_instance_in_any_other_state_is_not_running(status: str) -> None:
    assert not machine([nic()], status=status).running


def test_an_instance_without_the_interface_is_unfit() -> None:
    with pytest.raises(MachineUnfit, match="vm-1 has no network interface nic0"):
        machine([nic("nic1")])


def test_an_address_is_found_on_any_interface() -> None:
    wide = [{"external_ipv6": "2001:DB8::", "external_ipv6_prefix_length": 96}]
    row = Instance(
        {"network_interfaces": [nic(), nic("nic1", "203.0.113.10", ipv6_access_configs=wide)]}
    )
    for ip in ("203.0.113.10", "2001:db8::"):
        found = mapping.holding(row, ip)
        assert found is not None
        assert found.name == "nic1"
    assert mapping.holding(row, "203.0.113.11") is None


def test_the_cluster_is_read_from_the_first_label_that_names_one() -> None:
    labels = {"capg-cluster-b": "owned", "kubernetes-io-cluster-c": "owned"}
    assert machine([nic()], labels=labels).cluster == "b"
    assert machine([nic()], labels=labels | {"goog-k8s-cluster-name": "a"}).cluster == "a"
    assert machine([nic()], labels={"env": "x"}).cluster == ""
