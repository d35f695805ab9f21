"""What boto3 must know of AWS's services: of EC2 only what is called, read once for all regions."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

from botocore.loaders import Loader, create_loader

Model: TypeAlias = Mapping[str, Any]
"""A service as botocore's files describe it."""

OPERATIONS = frozenset(
    {
        "AssociateAddress",
        "DescribeAddresses",
        "DescribeAvailabilityZones",
        "DescribeInstances",
        "DescribeRouteTables",
        "DisassociateAddress",
        "ModifyNetworkInterfaceAttribute",
    }
)
"""Of EC2, of which there are 700: all of them take 20 MiB, and 2 MiB more for each client."""


class Models(Loader):
    """Reads for one thread at a time, so that the others find what it has read.

    botocore has each thread that finds nothing yet read all of it for itself: clients of 25 regions
    that were made at once took half a gigabyte, and kept it.
    """

    def __init__(self, search_paths: list[str]) -> None:
        super().__init__(search_paths, include_default_search_paths=False)
        self._reading = threading.RLock()
        self._ec2: Model | None = None

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:  # noqa: ANN401 - as botocore has it
        with self._reading:
            if (service_name, type_name) == ("ec2", "service-2"):
                return self._narrow(api_version)
            return super().load_service_model(service_name, type_name, api_version)

    def load_data(self, name: str) -> Any:  # noqa: ANN401 - as botocore has it
        with self._reading:
            return super().load_data(name)

    def _narrow(self, api_version: str | None) -> Model:
        if self._ec2 is None:
            # It keeps the whole model, and goes.
            whole = Loader(list(self.search_paths), include_default_search_paths=False)
            self._ec2 = narrowed(whole.load_service_model("ec2", "service-2", api_version))
        return self._ec2


@cache
def models(path: str | None) -> Models:
    """For all regions; ``path`` as in AWS_DATA_PATH, ``None`` = not set."""
    return Models(create_loader(path).search_paths)


def narrowed(model: Model) -> Model:
    """The model with :data:`OPERATIONS` and the shapes that these need, without documentation."""
    operations = {name: model["operations"][name] for name in sorted(OPERATIONS)}
    shapes: dict[str, Any] = {}
    left = list(_shapes_in(operations))
    while left:
        name = left.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            left += _shapes_in(shapes[name])
    kept = {"operations": operations, "shapes": shapes}
    slim: Model = _without_documentation({**model, **kept})
    return slim


def _shapes_in(part: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Names of the shapes that a part of a model refers to."""
    if isinstance(part, Mapping):
        if isinstance(name := part.get("shape"), str):
            yield name
        for inner in part.values():
            yield from _shapes_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _shapes_in(inner)


def _without_documentation(part: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(part, Mapping):
        # A member may be called so: it is no text then.
        kept = {k: v for k, v in part.items() if k != "documentation" or not isinstance(v, str)}
        # Order matters where members are written.
        return {name: _without_documentation(inner) for name, inner in kept.items()}
    return [_without_documentation(inner) for inner in part] if isinstance(part, list) else part
