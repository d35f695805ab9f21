"""Azure's descriptions mapped to Moorage's values."""

from typing import Any

import pytest
from azure.mgmt.compute.models import VirtualMachine
from azure.mgmt.network.models import NetworkInterface, PublicIPAddress

from moorage_provider.errors import MachineUnfit
from moorage_provider.protocol import Machine, MachineHolder, OtherHolder
from moorage_provider_azure import mapping
from moorage_provider_azure.mapping import MACHINE_TAG, AzureAddress

NIC = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/networkInterfaces/nic-1"
VM = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm-1"
PIP = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/publicIPAddresses/ip-1"
PLACE = f"{NIC}/ipConfigurations/ipconfig1"


def address_row(
    sku: str = "Standard", tier: str = "Regional", **properties: Any
) -> PublicIPAddress:
    return PublicIPAddress(
        {
            "id": PIP,
            "location": "West Europe",
            "zones": ["1", "2"],
            "sku": {"name": sku, "tier": tier},
            "properties": {
                "ipAddress": "203.0.113.10",
                "publicIPAllocationMethod": "Static",
                "publicIPAddressVersion": "IPv4",
                **properties,
            },
        }
    )


def configuration(name: str, ip: str, *, primary: bool, public: str = "") -> dict[str, Any]:
    properties: dict[str, Any] = {"privateIPAddress": ip, "primary": primary}
    if public:
        properties["publicIPAddress"] = {"id": public}
    return {"id": f"{NIC}/ipConfigurations/{name}", "name": name, "properties": properties}


def interface_row(tags: dict[str, str] | None = None, **properties: Any) -> NetworkInterface:
    parts = [
        configuration("second", "10.0.0.5", primary=False),
        configuration("ipconfig1", "10.0.0.4", primary=True, public=PIP),
    ]
    shown = {
        "resourceGuid": "guid-1",
        "virtualMachine": {"id": VM},
        "ipConfigurations": parts,
        **properties,
    }
    return NetworkInterface({"id": NIC, "name": "nic-1", "tags": tags, "properties": shown})


def machine_row(power: str = "running", **fields: Any) -> VirtualMachine:
    second = {"id": f"{NIC}-2", "properties": {"primary": False}}
    first = {"id": NIC, "properties": {"primary": True}}
    row: dict[str, Any] = {
        "id": VM,
        "name": "vm-1",
        "location": "westeurope",
        "zones": ["1"],
        "properties": {
            "networkProfile": {"networkInterfaces": [second, first]},
            "instanceView": {
                "statuses": [
                    {"code": "ProvisioningState/succeeded"},
                    {"code": f"PowerState/{power}"},
                ]
            },
        },
        **fields,
    }
    return VirtualMachine(row)


def test_a_free_address_has_neither_holder_nor_token() -> None:
    assert mapping.address(address_row(), {}) == AzureAddress(
        "203.0.113.10", PIP.lower(), None, "", "westeurope", frozenset(), zones=("1", "2")
    )


def test_an_address_on_an_interface_is_its_machines() -> None:
    row = address_row(ipConfiguration={"id": PLACE})
    read_back = mapping.address(row, {NIC.lower(): interface_row()})
    assert read_back.holder == MachineHolder(VM.lower(), NIC.lower())
    assert read_back.token == f"{PLACE.lower()} guid-1 {VM.lower()}"


def test_a_recreated_interface_is_another_one() -> None:
    row = address_row(ipConfiguration={"id": PLACE})
    old, new = (
        mapping.address(row, {NIC.lower(): interface_row(resourceGuid=guid)}) for guid in ("1", "2")
    )
    assert old.holder == new.holder
    assert old.token != new.token


@pytest.mark.parametrize(
    ("tags", "machine"), [({MACHINE_TAG: VM.lower()}, VM.lower()), ({}, NIC.lower())]
)
def test_an_interface_without_a_machine_is_the_one_in_its_tag(
    tags: dict[str, str], machine: str
) -> None:
    row = address_row(ipConfiguration={"id": PLACE})
    left = interface_row(tags=tags, virtualMachine=None)
    assert mapping.address(row, {NIC.lower(): left}).holder == MachineHolder(machine, NIC.lower())


def test_the_machine_of_an_interface_counts_more_than_its_tag() -> None:
    assert mapping.machine_of(interface_row(tags={MACHINE_TAG: "another"})) == VM.lower()


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"natGateway": {"id": "/gateways/one"}}, "NAT gateway /gateways/one"),
        ({"ipConfiguration": {"id": "/lb/frontendIPConfigurations/a"}}, "/lb/frontend"),
        ({"ipConfiguration": {"id": PLACE}}, NIC),
    ],
)
def test_an_address_on_anything_else_is_described(properties: dict[str, Any], words: str) -> None:
    read_back = mapping.address(address_row(**properties), {})
    assert isinstance(read_back.holder, OtherHolder)
    assert words in read_back.holder.description
    assert read_back.token


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (address_row(), ""),
        (address_row(sku="Basic"), "SKU Basic"),
        (address_row(sku="StandardV2"), "SKU StandardV2"),
        (address_row(tier="Global"), "Global"),
        (address_row(publicIPAllocationMethod="Dynamic"), "dynamically"),
        (address_row(publicIPAddressVersion="IPv6"), "IPv6"),
    ],
)
def test_an_address_that_no_machine_can_have_says_why(row: PublicIPAddress, words: str) -> None:
    unfit = mapping.address(row, {}).unfit
    assert words in unfit
    assert bool(unfit) == bool(words)


def test_a_machine_is_read_with_its_primary_interface_and_address() -> None:
    assert mapping.interface_id(machine_row()) == NIC.lower()
    assert mapping.machine(machine_row(), interface_row(), "203.0.113.10") == Machine(
        VM.lower(),
        NIC.lower(),
        "10.0.0.4",
        running=True,
        location="westeurope",
        zone="1",
        public_ip="203.0.113.10",
        public_ip_reserved=True,
    )


@pytest.mark.parametrize("power", ["starting", "stopping", "stopped", "deallocated"])
def test_a_machine_in_any_other_state_is_not_running(power: str) -> None:
    assert not mapping.machine(machine_row(power), interface_row(), "").running


def test_the_only_one_is_the_primary_one() -> None:
    profile = {"networkProfile": {"networkInterfaces": [{"id": NIC}]}}
    assert mapping.interface_id(machine_row(properties=profile)) == NIC.lower()
    part = configuration("ipconfig1", "10.0.0.9", primary=False)
    assert mapping.primary(interface_row(ipConfigurations=[part])).name == "ipconfig1"


def test_a_machine_without_a_network_is_unfit() -> None:
    with pytest.raises(MachineUnfit, match="vm-1"):
        mapping.interface_id(machine_row(properties={}))
    with pytest.raises(MachineUnfit, match="nic-1"):
        mapping.primary(interface_row(ipConfigurations=[]))


@pytest.mark.parametrize(
    ("tags", "cluster"),
    [
        ({}, ""),
        ({"Name": "node"}, ""),
        ({"kubernetes.io_cluster_prod": "owned"}, "prod"),
        ({"kubernetes.io_cluster.prod-x1": "owned"}, "prod-x1"),
        ({"sigs.k8s.io_cluster-api-provider-azure_cluster_prod": "owned"}, "prod"),
        ({"aks-managed-poolName": "np1"}, "g (AKS)"),
        ({"AKS-Managed-Cluster-Name": "prod"}, "prod"),
        ({"karpenter.azure.com_cluster": "prod", "karpenter.sh_nodepool": "x"}, "prod"),
        ({"aks-managed-cluster-name": "prod", "kubernetes.io_cluster_other": "owned"}, "prod"),
    ],
)
def test_harm_12_the_cluster_is_read_from_the_tags(tags: dict[str, str], cluster: str) -> None:
    assert mapping.machine(machine_row(tags=tags), interface_row(), "").cluster == cluster
