"""Which EC2 instance a node's ``spec.providerID`` names."""

import re

# The spellings in use: aws:///ZONE/i-x (cloud-provider-aws), aws://ZONE/i-x and aws:///i-x.
# Fargate (aws:///ZONE/<task>/fargate-ip-...) and hybrid nodes have no instance, hence no match.
# A kubelet may write what it likes, so whatever is spelled otherwise names nothing: an id has 8
# digits, or 17.
_INSTANCE = re.compile(
    r"aws://(?:/?[a-z0-9]+(?:-[a-z0-9]+)*/|/)(?P<id>i-(?:[0-9a-f]{8}|[0-9a-f]{17}))"
)


def instance_id(provider_id: str) -> str | None:
    """The instance of a provider id; ``None``: not an EC2 instance."""
    match = _INSTANCE.fullmatch(provider_id)
    return match["id"] if match else None
