"""What boto3 reads of AWS's services: once for all regions, and of EC2 only what is called."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.loaders import Loader, create_loader
from botocore.model import ServiceModel

from moorage_provider_aws.ec2 import Ec2, Settings
from moorage_provider_aws.models import OPERATIONS, Models, narrowed

AT_ONCE = 8
REGIONS = 20
MOST_BYTES_A_CLIENT = 400_000


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    model: dict[str, Any] = Loader().load_service_model("ec2", "service-2")
    return model


def test_an_operation_has_all_its_fields(whole: dict[str, Any]) -> None:
    def fields(model: Any, operation: str) -> dict[str, Any]:
        """Names and types of what is sent and answered, at every depth."""
        found = ServiceModel(model).operation_model(operation)
        return {"http": found.http, "in": tree(found.input_shape), "out": tree(found.output_shape)}

    def tree(shape: Any) -> Any:
        if shape is None or shape.type_name not in ("structure", "list", "map"):
            return shape and (shape.type_name, shape.serialization)
        if shape.type_name == "structure":
            return {name: tree(member) for name, member in shape.members.items()}
        return [tree(shape.member) if shape.type_name == "list" else tree(shape.value)]

    small = narrowed(whole)
    assert set(small["operations"]) == OPERATIONS
    for operation in sorted(OPERATIONS):
        assert fields(small, operation) == fields(whole, operation)


def test_sec_03_threads_that_come_at_once_share_what_one_of_them_reads() -> None:
    models = Models(create_loader(None).search_paths)
    together = threading.Barrier(AT_ONCE)

    def read(_: int) -> tuple[int, int]:
        together.wait()
        return (
            id(models.load_service_model("ec2", "service-2")),
            id(models.load_service_model("ec2", "endpoint-rule-set-1")),
        )

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert len(set(threads.map(read, range(AT_ONCE)))) == 1


def test_sec_03_a_client_of_one_more_region_takes_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")

    def client(number: int) -> Ec2:
        settings = Settings(f"invented-{number}", 5.0, 32)
        return Ec2(settings, lambda: None, lambda _: None)

    client(0).close()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        clients = [client(number) for number in range(REGIONS)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    for one in clients:
        one.close()
    # With all that EC2 can do it is 1.6 MB.
    assert (after - before) / REGIONS < MOST_BYTES_A_CLIENT
