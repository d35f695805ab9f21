"""The policy with conditions on tags: it allows each call on tagged resources, and no other.

EC2 asks for each resource that a call names; which those are its service authorization reference
says. The emulator knows no rights, so its calls are judged here, one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from moorage_provider.protocol import Machine
from moorage_provider_aws.provider import AwsProvider
from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.faults import Call

README = Path(__file__).parents[1] / "README.md"
TAG = {"moorage.dev/cluster": "CLUSTER"}
IP = "198.51.100.7"
Tags = Mapping[str, Mapping[str, str]]
"""Of each resource, by its kind and id, as at the end of its ARN."""


def policy_text() -> str:
    return files("moorage_provider_aws").joinpath("policy-tagged.json").read_text()


def allows(action: str, resource: str, tags: Mapping[str, str]) -> bool:
    """Whether a statement allows an action on one resource with these tags."""
    return any(
        action in one["Action"]
        and any(fnmatchcase(f"arn:aws:ec2:r:1:{resource}", pattern) for pattern in _list(one))
        and all(
            tags.get(key.removeprefix("aws:ResourceTag/")) == value
            for key, value in one.get("Condition", {}).get("StringEquals", {}).items()
        )
        for one in json.loads(policy_text())["Statement"]
    )


def _list(statement: dict[str, Any]) -> list[str]:
    resource = statement["Resource"]
    return [resource] if isinstance(resource, str) else resource


class Story:
    """An address goes to one node, then to another, and comes off; its own comes back."""

    def __init__(self, emulator: Ec2Emulator, provider: AwsProvider) -> None:
        self.emulator, self.provider = emulator, provider
        self.allocation = emulator.world.add_address(IP)
        self.ids = [one.id for one in emulator.world.add_instances(2)]
        self.machines: list[Machine] = []
        self.calls: list[Call] = []

    async def happens(self) -> Story:
        since = len(self.emulator.faults.calls)
        self.machines = [await self.provider.machine(one) for one in self.ids]
        one, two = self.machines
        await self.provider.attach((await self.provider.snapshot((IP,)))[IP], one, "attach")
        await self.provider.move((await self.provider.snapshot((IP,)))[IP], two, "move")
        held = (await self.provider.snapshot((IP,)))[IP]
        self.association = held.token
        await self.provider.detach(held, "detach")
        self.emulator.world.associate(IP, two.machine_id)
        self.emulator.world.add_interface(two.machine_id)
        self.emulator.world.disassociate(IP)
        await self.provider.restore(two, "restore")
        self.calls = list(self.emulator.faults.calls[since:])
        return self

    def resources(self, call: Call) -> Iterator[str]:
        """What EC2 asks for, by the call's parameters."""
        if "AllocationId" in call.params or "AssociationId" in call.params:
            yield f"elastic-ip/{self.allocation}"
        interface = call.params.get("NetworkInterfaceId")
        if "AssociationId" in call.params:
            assert call.params["AssociationId"] == self.association
            interface = self.machines[1].interface_id
        for one in self.machines:
            if one.interface_id == interface:
                yield f"network-interface/{interface}"
                yield f"instance/{one.machine_id}"

    def every_resource(self) -> set[str]:
        return {resource for call in self.calls for resource in self.resources(call)}

    def refused(self, tags: Tags) -> set[str]:
        """The operations that the policy does not allow, where resources have these tags."""
        return {
            call.op
            for call in self.calls
            for resource in list(self.resources(call)) or ["none/none"]
            if not allows(f"ec2:{call.op}", resource, tags.get(resource, {}))
        }


@pytest.fixture
async def story(emulator: Ec2Emulator, provider: AwsProvider) -> Story:
    return await Story(emulator, provider).happens()


async def test_sec_02_all_that_is_done_is_allowed_where_address_and_nodes_are_tagged(
    story: Story,
) -> None:
    everything = story.every_resource()
    assert {one.partition("/")[0] for one in everything} == {
        "elastic-ip", "instance", "network-interface",
    }  # fmt: skip
    assert story.refused(dict.fromkeys(everything, TAG)) == set()


async def test_sec_02_no_address_without_the_tag_is_touched(story: Story) -> None:
    tags = dict.fromkeys(story.every_resource(), TAG) | {f"elastic-ip/{story.allocation}": {}}
    assert story.refused(tags) == {"AssociateAddress", "DisassociateAddress"}


@pytest.mark.parametrize("kind", ["instance", "network-interface"])
@pytest.mark.parametrize("tag", [{}, {"moorage.dev/cluster": "other"}, {"Name": "CLUSTER"}])
async def test_sec_02_no_node_without_the_tag_is_touched(
    story: Story, kind: str, tag: Mapping[str, str]
) -> None:
    tags = {one: tag if one.startswith(f"{kind}/") else TAG for one in story.every_resource()}
    assert story.refused(tags) == {
        "AssociateAddress", "DisassociateAddress", "ModifyNetworkInterfaceAttribute",
    }  # fmt: skip


def test_it_grants_the_same_actions_as_the_policy_without_conditions() -> None:
    plain = files("moorage_provider_aws").joinpath("policy.json").read_text()
    plain_statements, tagged = (json.loads(text)["Statement"] for text in (plain, policy_text()))
    assert [one["Action"] for one in tagged] == [one["Action"] for one in plain_statements]


def test_the_readme_shows_the_policy_with_conditions() -> None:
    assert f"```json\n{policy_text()}```" in README.read_text()
