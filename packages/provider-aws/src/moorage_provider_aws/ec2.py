"""The calls to EC2; nothing else touches boto3, and only a worker thread imports this file."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials

from moorage_provider import deadline
from moorage_provider.errors import CredentialsRejected, InvalidOptions, MachineNotFound
from moorage_provider.protocol import ApiCall
from moorage_provider.sdk import observed
from moorage_provider_aws.errors import MUTATIONS, RAISED_BY_BOTO, cloud_error
from moorage_provider_aws.models import models

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_ec2.type_defs import (
        AddressTypeDef,
        FilterTypeDef,
        InstanceTypeDef,
        RouteTableTypeDef,
    )

ATTEMPTS = 3
_CONNECT_SECONDS = 3.0
# At DEBUG these write the signed requests, session token included.
_TALKATIVE_LOGGERS = ("boto3", "botocore", "urllib3")
_CREDENTIALS_LOGGER = "botocore.credentials"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach EC2.

    Attributes:
        region: the region, ``""`` = what the environment says.
        timeout_seconds: the caller's deadline, shared by the attempts of one request.
        connections: how many threads call at once.
    """

    region: str
    timeout_seconds: float
    connections: int


class Ec2:
    """A client of one region; blocking, safe to use from several threads.

    Every method raises only ``CloudError`` and sends nothing once the caller's deadline passed.

    Attributes:
        region: the region of its calls.
        credentials_expiring: the credentials of the last request should have been renewed.
    """

    def __init__(
        self,
        settings: Settings,
        fence: Callable[[], None],
        on_call: Callable[[ApiCall], None],
    ) -> None:
        """Find region, endpoint and credentials. Raises ``InvalidOptions``.

        Args:
            settings: how to reach EC2.
            fence: called in the calling thread before each attempt at a mutation; what it raises
                stops the attempt and reaches the caller as it is.
            on_call: called after each call.
        """
        for name in _TALKATIVE_LOGGERS:
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
        if not logging.getLogger().isEnabledFor(logging.DEBUG):
            # Where credentials were found is for whoever looks for them.
            logging.getLogger(_CREDENTIALS_LOGGER).setLevel(logging.WARNING)
        # A change may take EC2 seconds: two such attempts fill the deadline. The third is for a
        # request that is refused at once.
        attempt_seconds = max(settings.timeout_seconds / 2, 1.0)
        config = Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=min(_CONNECT_SECONDS, attempt_seconds),
            read_timeout=attempt_seconds,
            max_pool_connections=settings.connections,
            user_agent_extra="moorage",
        )
        self._report_call = on_call
        self._zones_guard = threading.Lock()
        self._zones: dict[str, str] = {}
        self.region = ""
        self.credentials_expiring = False
        with _mapped("the configuration"):
            core = botocore.session.get_session()
            core.register_component("data_loader", models(core.get_config_variable("data_path")))
            # As the session's default it also binds the calls to STS that fetch credentials.
            core.set_default_client_config(config)
            core.register("before-send", _check_deadline)
            core.register("before-send.ec2", lambda **_: self._check_credentials(core))
            for operation in MUTATIONS:
                core.register(f"before-send.ec2.{operation}", lambda **_: fence())
            # boto3 reads only AWS_DEFAULT_REGION; AWS itself injects both into pods.
            region = settings.region or os.environ.get("AWS_REGION") or None
            session = boto3.session.Session(botocore_session=core, region_name=region)
            self.region = session.region_name or ""
            try:
                self._client: EC2Client = session.client("ec2")
            except ValueError as error:
                raise InvalidOptions(
                    "AWS_ENDPOINT_URL_EC2 (or AWS_ENDPOINT_URL) is no usable URL: write one like"
                    " https://host:port"
                ) from error

    def addresses(self, filters: Mapping[str, Sequence[str]]) -> list[AddressTypeDef]:
        """The Elastic IPs that match every filter in one of its values, at most 200 of them."""
        # Filters rather than PublicIps or AllocationIds: one unknown value there fails them all.
        with self._calling("DescribeAddresses"):
            answer = self._client.describe_addresses(Filters=_filters(filters))
        return answer["Addresses"]

    def instance(self, instance_id: str) -> InstanceTypeDef:
        """One instance. Raises ``MachineNotFound``."""
        with self._calling(f"DescribeInstances of {instance_id}"):
            answer = self._client.describe_instances(InstanceIds=[instance_id])
        for reservation in answer["Reservations"]:
            for row in reservation["Instances"]:
                return row
        raise MachineNotFound(f"EC2 described no instance {instance_id}")

    def instances(self, instance_ids: Sequence[str]) -> list[InstanceTypeDef]:
        """Those of these instances that exist, at most 200 of them."""
        with self._calling("DescribeInstances"):
            wanted = _filters({"instance-id": instance_ids})
            answer = self._client.describe_instances(Filters=wanted)
        return [row for reservation in answer["Reservations"] for row in reservation["Instances"]]

    def route_tables(self, filters: Mapping[str, Sequence[str]]) -> list[RouteTableTypeDef]:
        """The route tables that match every filter in one of its values."""
        with self._calling("DescribeRouteTables"):
            answer = self._client.describe_route_tables(Filters=_filters(filters))
        return answer["RouteTables"]

    def border_group(self, zone: str) -> str:
        """The network border group of an availability zone, read once a client."""
        with self._zones_guard:
            if zone not in self._zones:
                with self._calling("DescribeAvailabilityZones"):
                    answer = self._client.describe_availability_zones()
                for row in answer["AvailabilityZones"]:
                    self._zones[row["ZoneName"]] = row.get("NetworkBorderGroup", "") or self.region
                self._zones.setdefault(zone, self.region)
            return self._zones[zone]

    def associate(
        self, allocation_id: str, interface_id: str, private_ip: str, *, reassociate: bool
    ) -> None:
        """Put an Elastic IP on a private address; ``reassociate`` lets it leave another one."""
        with self._calling(f"AssociateAddress of {allocation_id} with {interface_id}"):
            # AllowReassociation is always sent: left out, it means true.
            self._client.associate_address(
                AllocationId=allocation_id,
                NetworkInterfaceId=interface_id,
                PrivateIpAddress=private_ip,
                AllowReassociation=reassociate,
            )

    def disassociate(self, association_id: str) -> None:
        """End one association and no other."""
        with self._calling(f"DisassociateAddress of {association_id}"):
            self._client.disassociate_address(AssociationId=association_id)

    def assign_public_ip(self, interface_id: str) -> None:
        """Have EC2 lend the first interface of an instance a public address."""
        with self._calling(f"ModifyNetworkInterfaceAttribute of {interface_id}"):
            self._client.modify_network_interface_attribute(
                NetworkInterfaceId=interface_id, AssociatePublicIpAddress=True
            )

    def _check_credentials(self, core: botocore.session.Session) -> None:
        """Check, after a request was signed, whether its credentials were renewed in time.

        botocore tries to renew them from 15 minutes before their end. Where that fails, it signs
        nothing from 10 minutes before their end.
        """
        credentials = core.get_credentials()
        self.credentials_expiring = (
            isinstance(credentials, RefreshableCredentials) and credentials.refresh_needed()
        )

    @contextlib.contextmanager
    def _calling(self, action: str) -> Iterator[None]:
        """Observe one call and map what it raises; the action begins with the operation's name."""
        with observed(action.split(" ", 1)[0], self._report_call), _mapped(action):
            yield

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _filters(filters: Mapping[str, Sequence[str]]) -> list[FilterTypeDef]:
    return [{"Name": name, "Values": values} for name, values in filters.items()]


def _check_deadline(**_: object) -> None:
    """Stop a request, or a repeated one, that comes too late."""
    deadline.check()


@contextlib.contextmanager
def _mapped(action: str) -> Iterator[None]:
    try:
        yield
    except RAISED_BY_BOTO as error:
        mapped = cloud_error(error, action)
        # The text under a credential error may hold the signed request: no trace of it in logs.
        raise mapped from (None if isinstance(mapped, CredentialsRejected) else error)
