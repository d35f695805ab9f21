"""Amazon EC2 over HTTP: moto, as strict about Elastic IPs as the real one."""

from moorage_testing.clouds.aws import lean_moto  # noqa: F401 - before what imports moto
from moorage_testing.clouds.aws.emulator import Ec2Emulator
from moorage_testing.clouds.aws.sts import token_service
from moorage_testing.clouds.aws.world import Ec2World
from moorage_testing.clouds.world import Instance

__all__ = ["Ec2Emulator", "Ec2World", "Instance", "token_service"]
