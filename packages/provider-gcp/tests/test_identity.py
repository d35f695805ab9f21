"""Names in Compute Engine: every spelling of an instance or an operation, nothing else."""

import pytest

from moorage_provider_gcp import identity
from moorage_provider_gcp.identity import InZone

LINK = "https://www.googleapis.com/compute/v1/projects/p/zones/europe-west1-b/instances/vm-1"


@pytest.mark.parametrize(
    "text",
    [
        "my-project/europe-west1-b/gke-pool-1a2b",
        "123456789/europe-west1-b/vm",
        "example.com:my-project/us-central1-ai1a/vm",
        "p/a/b",
    ],
)
def test_a_node_is_an_instance(text: str) -> None:
    assert identity.machine_id(f"gce://{text}") == text


@pytest.mark.parametrize(
    "provider_id",
    [
        "",
        "my-project/europe-west1-b/vm",
        "gce://",
        "gce:///europe-west1-b/vm",
        "gce://my-project/vm",
        "gce://my-project/europe-west1-b/vm/more",
        "gce://my-project/europe-west1-b/VM",
        "gce://my-project/../vm",
        "gce://my-project/europe-west1-b/vm?alt=media",
        "gce://my-project/europe-west1-b/vm\n",
        "aws:///eu-west-1a/i-0123456789abcdef0",
    ],
)
def test_another_provider_id_is_no_instance(provider_id: str) -> None:
    assert identity.machine_id(provider_id) is None


def test_an_instances_region_is_its_zones() -> None:
    vm = identity.instance("p/europe-west1-b/vm-1")
    assert vm == InZone("p", "europe-west1-b", "vm-1")
    assert vm is not None
    assert vm.region == "europe-west1"


@pytest.mark.parametrize("name", ["operation-1732-5e-9c", "123456"])
def test_a_handle_is_an_operation(name: str) -> None:
    assert identity.operation(f"p/europe-west1-b/{name}") == InZone("p", "europe-west1-b", name)


@pytest.mark.parametrize("handle", ["", "operation-1", "../../operation", "p/z/o/x", "p/z/%2e"])
def test_another_text_is_no_handle(handle: str) -> None:
    assert identity.operation(handle) is None


@pytest.mark.parametrize(
    "link", [LINK, LINK.replace("www.googleapis.com", "127.0.0.1:1"), LINK.partition("v1/")[2]]
)
def test_a_link_to_an_instance_is_read_whatever_the_service_calls_itself(link: str) -> None:
    if not link.startswith("http"):
        link = f"/{link}"
    assert identity.machine_id_of(link) == "p/europe-west1-b/vm-1"


@pytest.mark.parametrize(
    "path", ["regions/r/forwardingRules/f", "regions/r/routers/x", "zones/z/instances"]
)
def test_a_link_to_anything_else_names_no_instance(path: str) -> None:
    assert identity.machine_id_of(f"https://www.googleapis.com/v1/projects/p/{path}") is None


def test_a_path_is_a_link_without_the_name_of_the_service() -> None:
    assert identity.path(LINK) == "p/zones/europe-west1-b/instances/vm-1"
    assert identity.path("something else") == "something else"


@pytest.mark.parametrize(
    "provider_id",
    [
        "GCE://my-project/europe-west1-b/vm",
        "gce://My-Project/europe-west1-b/vm",
        "gce://my-project/Europe-West1-B/vm",
        "gce://..:my-project/europe-west1-b/vm",
        "gce://.:my-project/europe-west1-b/vm",
        "gce://example..com:my-project/europe-west1-b/vm",
        "gce://my-project/europe-west1-b/..",
        "gce://my-project/europe-west1-b/",
        "gce://my-project/europe-west1-b/vm/",
        "gce:///my-project/europe-west1-b/vm",
        "gce://projects/my-project/zones/europe-west1-b/instances/vm",
        "gce://my-project/europe-west1-b/disks/vm",
        "gce://my-project/europe-west1-b/vm%2f..",
        "gce://my-project/europe-west1-b/vm#x",
    ],
)
def test_sec_05_what_a_kubelet_spells_otherwise_is_no_instance(provider_id: str) -> None:
    assert identity.machine_id(provider_id) is None
