"""Checks the emulator's answers against botocore's own model of EC2."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import cache

import botocore.session
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

_PATTERNS = {
    "boolean": re.compile(r"true|false"),
    "integer": re.compile(r"-?\d+"),
    "long": re.compile(r"-?\d+"),
}


@cache
def _service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("ec2")


@cache
def operations() -> frozenset[str]:
    """The names of all of EC2's operations."""
    return frozenset(_service().operation_names)


def violations(operation: str, body: bytes) -> list[str]:
    """Violations of the model in an answer, each as ``where: what``."""
    model: OperationModel = _service().operation_model(operation)
    if model.output_shape is None:
        return []
    # The emulator's own answer, so the XML needs no defusing.
    root = ET.fromstring(body)  # noqa: S314  # our own emulator's answer
    return _of_element(model.output_shape, root, operation)


def _of_element(shape: Shape, element: ET.Element, where: str) -> list[str]:
    if isinstance(shape, StructureShape):
        return _of_structure(shape, element, where)
    if isinstance(shape, ListShape):
        return _of_list(shape, element, where)
    text = element.text or ""
    pattern = _PATTERNS.get(shape.type_name)
    if pattern is not None and not pattern.fullmatch(text):
        return [f"{where}: {text!r} is no {shape.type_name}"]
    allowed = shape.metadata.get("enum")
    if allowed and text and text not in allowed:
        return [f"{where}: {text!r} is not one of the model's values"]
    return []


def _of_structure(shape: StructureShape, element: ET.Element, where: str) -> list[str]:
    members = {
        member.serialization.get("name", name): (name, member)
        for name, member in shape.members.items()
    }
    found: list[str] = []
    for child in element:
        tag = _tag(child)
        if tag == "requestId":
            continue
        if tag not in members:
            found.append(f"{where}.{tag}: not in the model")
            continue
        name, member = members[tag]
        found += _of_element(member, child, f"{where}.{name}")
    return found


def _of_list(shape: ListShape, element: ET.Element, where: str) -> list[str]:
    expected = shape.member.serialization.get("name", "item")
    found: list[str] = []
    for child in element:
        if _tag(child) != expected:
            found.append(f"{where}: list element {_tag(child)}")
        else:
            found += _of_element(shape.member, child, f"{where}[]")
    return found


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
