"""Whether a subnet leads out: on an instance of another one a public address reaches nobody."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage_provider import deadline
from moorage_provider.errors import CloudError, Denied

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import RouteTableTypeDef, RouteTypeDef

    from moorage_provider_aws.ec2 import Ec2

LEADS_OUT_SECONDS = 600.0
DEAD_END_SECONDS = 60.0
"""For so long it is believed: people who mend it wait for it, the others do not."""
_SHARE_OF_TIME = 0.5
# Of the internet, and of a firewall, which AWS makes an endpoint in the way to one.
_GATEWAYS = ("igw-", "vpce-")

_log = logging.getLogger(__name__)


def leads_out(table: RouteTableTypeDef) -> bool:
    """Whether a route table may lead to the internet and back.

    https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html. By a NAT gateway or
    a transit gateway nobody reaches an instance by its own public address.
    """
    return any(map(_leads_out, table.get("Routes", ())))


def _leads_out(route: RouteTypeDef) -> bool:
    if route.get("State") == "blackhole" or "DestinationIpv6CidrBlock" in route:
        return False
    # An appliance, which an instance or an interface is, may lead anywhere.
    appliance = route.get("InstanceId") or route.get("NetworkInterfaceId")
    edge = route.get("CarrierGatewayId") or route.get("LocalGatewayId")
    return bool(appliance or edge) or route.get("GatewayId", "").startswith(_GATEWAYS)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found of a subnet, until a monotonic time."""

    dead_end: str
    until: float


class Routes:
    """What is known of subnets; each is read once in a while, and only where the right is there."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._known: dict[str, _Known] = {}

    def dead_end(self, ec2: Ec2, subnet: str, vpc: str) -> str:
        """The route table of a subnet that leads to no internet gateway.

        ``""``: it leads to one, or it is not known whether it does: no move fails for that.
        """
        known = self._known.get(subnet)
        if known is None or known.until <= self._clock():
            known = self._read(ec2, subnet, vpc)
            self._known[subnet] = known
        return known.dead_end

    def _read(self, ec2: Ec2, subnet: str, vpc: str) -> _Known:
        try:
            with deadline.sooner(_SHARE_OF_TIME):
                table = _table(ec2, subnet, vpc)
        except Denied as denied:
            _log.info("whether subnets lead to the internet is not looked at: %s", denied)
            return _Known("", math.inf)
        except CloudError as error:
            _log.info("whether %s leads to the internet is unknown: %s", subnet, error)
            return _Known("", self._clock() + DEAD_END_SECONDS)
        if table is None or leads_out(table):
            return _Known("", self._clock() + LEADS_OUT_SECONDS)
        return _Known(table.get("RouteTableId", "?"), self._clock() + DEAD_END_SECONDS)


def _table(ec2: Ec2, subnet: str, vpc: str) -> RouteTableTypeDef | None:
    """The route table of a subnet, which is the main one of its VPC where it has none itself."""
    own = ec2.route_tables({"association.subnet-id": (subnet,)})
    tables = own or ec2.route_tables({"vpc-id": (vpc,), "association.main": ("true",)})
    return next(iter(tables), None)
