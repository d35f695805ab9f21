"""Provider ids of nodes and resource ids: every spelling of a machine, nothing else."""

import pytest

from moorage_provider_azure import identity

GROUP = "/subscriptions/0000-1/resourceGroups/MC_pool"
MACHINE = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm-1"
MEMBER = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/pool/virtualMachines/12"
INTERFACE = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/vm-1-nic"
MEMBER_INTERFACE = f"{MEMBER}/networkInterfaces/nic"


@pytest.mark.parametrize("resource_id", [MACHINE, MEMBER, MACHINE.upper()])
def test_every_spelling_names_the_machine_in_lower_case(resource_id: str) -> None:
    assert identity.machine_id(f"azure://{resource_id}") == resource_id.lower()


@pytest.mark.parametrize(
    "provider_id",
    [
        "",
        MACHINE,
        f"azure:/{MACHINE}",
        f"azure://{MACHINE}/",
        f"azure://{GROUP}/providers/Microsoft.Compute/virtualMachines/",
        f"azure://{MEMBER}/networkInterfaces/nic",
        f"azure://{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/pool",
        f"azure://{INTERFACE}",
        f"aws://{MACHINE}",
        "azure://vm-1",
    ],
)
def test_another_provider_id_is_no_machine(provider_id: str) -> None:
    assert identity.machine_id(provider_id) is None


def test_only_instances_of_uniform_scale_sets_are_uniform() -> None:
    assert identity.is_uniform(MEMBER)
    assert identity.is_uniform(MEMBER_INTERFACE.lower())
    assert not identity.is_uniform(MACHINE)
    assert not identity.is_uniform(INTERFACE)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("subscriptions", "0000-1"),
        ("resourcegroups", "mc_pool"),
        ("virtualmachinescalesets", "pool"),
        ("virtualmachines", "12"),
        ("networkinterfaces", ""),
    ],
)
def test_the_parts_of_an_id_are_found_by_their_kinds(kind: str, name: str) -> None:
    assert identity.part(MEMBER, kind) == name


@pytest.mark.parametrize(
    ("configuration", "interface"),
    [
        (f"{INTERFACE}/ipConfigurations/ipconfig1", INTERFACE.lower()),
        (f"{MEMBER_INTERFACE}/ipConfigurations/ipconfig1", MEMBER_INTERFACE.lower()),
        (f"{GROUP}/providers/Microsoft.Network/loadBalancers/lb/frontendIPConfigurations/a", ""),
        (f"{GROUP}/providers/Microsoft.Network/virtualNetworkGateways/g/ipConfigurations/a", ""),
        (f"{GROUP}/providers/Microsoft.Network/bastionHosts/b/bastionHostIpConfigurations/a", ""),
        (f"{GROUP}/providers/Microsoft.Network/azureFirewalls/f/azureFirewallIpConfigurations", ""),
    ],
)
def test_only_the_ipconfigurations_of_interfaces_belong_to_one(
    configuration: str, interface: str
) -> None:
    assert identity.interface_of(configuration) == interface


OPERATION = "/subscriptions/0000-1/providers/Microsoft.Network/locations/westeurope/operations/a-1"


@pytest.mark.parametrize("suffix", ["", "?api-version=2026-03-01", "?api-version=1&t=1&s=a%2Bb"])
def test_an_operation_of_this_subscription_is_followed(suffix: str) -> None:
    assert identity.is_operation(OPERATION + suffix, "0000-1")
    assert not identity.is_operation(OPERATION + suffix, "0000-2")


@pytest.mark.parametrize(
    "handle",
    [
        "",
        f"https://host{OPERATION}",
        f"//host{OPERATION}",
        f"{OPERATION}/../../x",
        f"{OPERATION}#x",
        f"{OPERATION}?a b",
        OPERATION.replace("operations", "usages"),
        OPERATION.replace("Microsoft.Network", "Microsoft.Authorization"),
    ],
)
def test_nothing_else_is_an_operation(handle: str) -> None:
    assert not identity.is_operation(handle, "0000-1")


@pytest.mark.parametrize(
    "provider_id",
    [
        f"AZURE://{MACHINE}",
        f"azure://{MACHINE}/extensions/x",
        f"azure://{MACHINE}?api-version=1",
        f"azure://{MACHINE}#x",
        f"azure://{MACHINE}\n",
        f"azure://{MACHINE}%2f..",
        f"azure:///{MACHINE}",
        f"azure://{MACHINE[:-4]}..",
        f"azure://{MACHINE[:-4]}.",
        f"azure://{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/../virtualMachines/1",
        f"azure:///subscriptions/../resourceGroups/g{MACHINE.removeprefix(GROUP)}",
        f"azure:///subscriptions/0000-1/resourceGroups/..{MACHINE.removeprefix(GROUP)}",
        f"azure:///subscriptions/0000-1/resourceGroups/a b{MACHINE.removeprefix(GROUP)}",
        f"azure://{GROUP}/providers/Microsoft.Compute/disks/vm-1",
        f"azure://{GROUP}/providers/Microsoft.ClassicCompute/virtualMachines/vm-1",
        f"azure://{GROUP}/providers/MicrosoftxCompute/virtualMachines/vm-1",
    ],
)
def test_sec_05_what_a_kubelet_spells_otherwise_is_no_machine(provider_id: str) -> None:
    assert identity.machine_id(provider_id) is None


def test_sec_05_every_name_that_azure_allows_is_a_machine() -> None:
    for group, name in (("MC_a.b(1)-c", "aks-np_1-0"), ("g", "v"), ("Größe", "vm.1")):
        machine = f"/subscriptions/0000-1/resourceGroups/{group}/providers/Microsoft.Compute"
        assert identity.machine_id(f"azure://{machine}/virtualMachines/{name}")
