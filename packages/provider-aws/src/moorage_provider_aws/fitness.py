"""Why no Elastic IP can be on an instance, whichever it is."""

from moorage_provider_aws.mapping import AwsMachine


def refusal(machine: AwsMachine) -> str | None:
    """One sentence for people; ``None`` = it can have one."""
    if machine.operator:
        return (
            f"instance {machine.machine_id} is managed by {machine.operator}, which lets nobody"
            " else give it an address, as in EKS Auto Mode"
        )
    if machine.dead_end:
        return (
            f"instance {machine.machine_id} is in {machine.subnet}, whose route table"
            f" {machine.dead_end} leads to no internet gateway: nobody reaches an address there"
        )
    return None
