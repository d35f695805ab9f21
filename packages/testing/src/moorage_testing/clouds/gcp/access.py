"""Changes of an instance's public addresses: which are refused, and what each one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_testing.clouds.gcp.project import (
    DIRECT_V6,
    DUAL,
    EXTERNAL_V6,
    ONE_TO_ONE,
    GceError,
    Project,
    Row,
    invalid,
    region_of,
    region_of_zone,
)

# Texts marked "from field reports" are the real service's; the others imitate its style.
_ONE_CONFIG = "At most one access config currently supported."  # from field reports
_IN_USE = "IP_IN_USE_BY_ANOTHER_RESOURCE"
_ADDABLE = ("RUNNING",)
_REMOVABLE = ("RUNNING", "TERMINATED")


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A request to change an instance's addresses.

    Attributes:
        op: the method.
        zone: of the instance.
        instance: its name or numeric id.
        query: the parameters beside the path.
        body: of the request.
    """

    op: str
    zone: str
    instance: str
    query: Mapping[str, str]
    body: Mapping[str, Any]


def examine(project: Project, change: ChangeRequest, *, begun: bool = False) -> Callable[[], None]:
    """Refuse the change in the current state, or return the function that makes it.

    Args:
        project: where.
        change: what.
        begun: it was accepted before, and is to be made now.
    """
    instance = project.instance(change.zone, change.instance)
    if change.op == "instances.addAccessConfig" and (begun or not project.policy_is_late):
        _refuse_by_policy(project, instance)
    interface = project.interface(instance, change.query["networkInterface"])
    changes = {
        "instances.addAccessConfig": _adding,
        "instances.deleteAccessConfig": _deleting,
        "instances.updateNetworkInterface": _updating,
    }
    _refuse_state(instance, _REMOVABLE if change.op == "instances.deleteAccessConfig" else _ADDABLE)
    return changes[change.op](project, change, interface)


def _refuse_by_policy(project: Project, instance: Row) -> None:
    """What an organisation policy forbids, it forbids whatever the state of the interface."""
    path = instance["selfLink"].partition("/v1/")[2]
    if (
        project.may_have_addresses is not None
        and instance["name"] not in project.may_have_addresses
    ):
        text = (  # from field reports
            f"Constraint constraints/compute.vmExternalIpAccess violated for project 123456789012."
            f" Add instance {path} to the constraint to use external IP with it."
        )
        raise GceError(412, "conditionNotMet", text, "CONDITION_NOT_MET")


def _adding(project: Project, change: ChangeRequest, interface: Row) -> Callable[[], None]:
    config = dict(change.body)
    kind = config.setdefault("type", ONE_TO_ONE)
    if kind != ONE_TO_ONE:
        raise invalid(f"Invalid value for field 'resource.type': '{kind}'. Must be {ONE_TO_ONE}.")
    if interface.get("accessConfigs"):
        raise invalid(_ONE_CONFIG)
    ip = config.get("natIP")
    if ip:
        _refuse_address(project, change, ip, config.get("networkTier"))

    def add() -> None:
        project.bind(interface, config | {"natIP": ip or project.new_ephemeral_ip()})

    return add


def _deleting(project: Project, change: ChangeRequest, interface: Row) -> Callable[[], None]:
    name = change.query["accessConfig"]
    if name not in (one["name"] for one in interface.get("accessConfigs", ())):
        raise invalid(
            f"Invalid value for field 'accessConfig': '{name}'. The access config does not exist.",
            "RESOURCE_NOT_FOUND",
        )

    def delete() -> None:
        del interface["accessConfigs"]
        project.touch(interface)

    return delete


def _updating(project: Project, change: ChangeRequest, interface: Row) -> Callable[[], None]:
    # The description of the field documents both answers.
    if "fingerprint" not in change.body:
        raise GceError(400, "required", "Required field 'resource.fingerprint' not specified")
    if change.body["fingerprint"] != interface["fingerprint"]:
        text = "Supplied fingerprint does not match current network interface fingerprint."
        raise GceError(412, "conditionNotMet", text, "CONDITION_NOT_MET")
    stack = change.body.get("stackType", interface["stackType"])
    configs = change.body.get("ipv6AccessConfigs", ())
    if stack == DUAL and configs:
        _refuse_ipv6(project, change, interface, configs[0])

    def update() -> None:
        interface["stackType"] = stack
        if stack == DUAL:
            for config in configs:
                project.bind(interface, config)
        else:
            interface.pop("ipv6AccessConfigs", None)
            interface.pop("ipv6AccessType", None)
        project.touch(interface)

    return update


def _refuse_ipv6(
    project: Project, change: ChangeRequest, interface: Row, config: Mapping[str, Any]
) -> None:
    if interface.get("ipv6AccessConfigs"):
        raise invalid(_ONE_CONFIG)
    if config.get("type") != DIRECT_V6 or project.ipv6_access != "EXTERNAL":
        raise invalid(
            "Invalid value for field 'resource.ipv6AccessConfigs[0]'. External IPv6 needs type"
            f" {DIRECT_V6} and a subnetwork with external IPv6 access."
        )
    _refuse_address(project, change, str(config.get(EXTERNAL_V6)), config.get("networkTier"))


def _refuse_address(project: Project, change: ChangeRequest, ip: str, tier: str | None) -> None:
    region = region_of_zone(change.zone)
    row = project.addresses.get(ip)
    if row is None or region_of(row) != region:
        raise invalid(
            f"Invalid value for field 'resource.natIP': '{ip}'. The specified external IP address"
            f" '{ip}' was not found in region '{region}'."
        )
    # An access config without a tier has the project's, which is PREMIUM.
    wanted_tier = tier or "PREMIUM"
    if wanted_tier != row["networkTier"]:
        raise invalid(
            f"The network tier of external IP address is {row['networkTier']}, that of Access"
            f" config is {wanted_tier}; they must be the same."
        )
    if ip in project.users():
        raise invalid(f"External IP address: {ip} is already in-use.", _IN_USE)


def _refuse_state(instance: Row, states: tuple[str, ...]) -> None:
    # No source says that a stopped instance accepts no address: this is stricter on purpose.
    if instance["status"] not in states:
        raise GceError(
            400,
            "resourceNotReady",
            f"The resource '{instance['selfLink']}' is not ready: it is {instance['status']}",
            "RESOURCE_NOT_READY",
        )
