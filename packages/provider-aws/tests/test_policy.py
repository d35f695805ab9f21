"""The shipped policy: exactly the rights that are used, and the same as in the README."""

import json
from importlib.resources import files
from pathlib import Path

from moorage_provider_aws.provider import AwsProvider
from moorage_testing.clouds.aws import Ec2Emulator

README = Path(__file__).parents[1] / "README.md"


def policy_text() -> str:
    return files("moorage_provider_aws").joinpath("policy.json").read_text()


async def test_the_policy_grants_exactly_what_is_called(
    emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    since = len(emulator.faults.calls)
    ip = "198.51.100.7"
    emulator.world.add_address(ip)
    one, two = [await provider.machine(i.id) for i in emulator.world.add_instances(2)]
    free = (await provider.snapshot((ip,)))[ip]
    # Whether a node without a public address could have one at all.
    await provider.machine(emulator.world.add_instance_apart().id)
    await provider.prepare(free, one, "prepare")
    await provider.attach(free, one, "attach")
    await provider.move((await provider.snapshot((ip,)))[ip], two, "move")
    await provider.detach((await provider.snapshot((ip,)))[ip], "detach")
    # As a CNI does, so that EC2 lends nothing by itself.
    emulator.world.associate(ip, two.machine_id)
    emulator.world.add_interface(two.machine_id)
    emulator.world.disassociate(ip)
    await provider.restore(two, "restore")
    statements = json.loads(policy_text())["Statement"]
    granted = {action for statement in statements for action in statement["Action"]}
    assert granted == {f"ec2:{op}" for op in emulator.faults.ops(since)}


def test_the_readme_shows_the_policy() -> None:
    assert f"```json\n{policy_text()}```" in README.read_text()
