"""Provider ids of nodes: every spelling of an instance, nothing else."""

import pytest

from moorage_provider_aws.identity import instance_id


@pytest.mark.parametrize(
    "provider_id",
    [
        "aws:///eu-west-1a/i-0123456789abcdef0",
        "aws://eu-west-1a/i-0123456789abcdef0",
        "aws:///i-0123456789abcdef0",
        "aws:///us-east-1-wl1-bos-wlz-1/i-0123456789abcdef0",
    ],
)
def test_every_spelling_names_the_instance(provider_id: str) -> None:
    assert instance_id(provider_id) == "i-0123456789abcdef0"


def test_the_short_ids_of_old_instances_are_read() -> None:
    assert instance_id("aws:///eu-west-1a/i-01234567") == "i-01234567"


@pytest.mark.parametrize(
    "provider_id",
    [
        "",
        "i-0123456789abcdef0",
        "aws:///eu-west-1a/1a2b3c4d5e-6f7a8b/fargate-ip-10-0-1-2.eu-west-1.compute.internal",
        "eks-hybrid:///eu-west-1/cluster/mi-0123456789abcdef0",
        "aws:///eu-west-1a/mi-0123456789abcdef0",
        "aws:///eu-west-1a/i-0123456789abcdef0/more",
        "aws:///eu-west-1a/i-XYZ",
        "gce://project/zone/i-0123456789abcdef0",
    ],
)
def test_another_provider_id_is_no_instance(provider_id: str) -> None:
    assert instance_id(provider_id) is None


@pytest.mark.parametrize(
    "provider_id",
    [
        "AWS:///eu-west-1a/i-0123456789abcdef0",
        "aws:///eu-west-1a/i-0123456789ABCDEF0",
        "aws:///eu-west-1a/i-0123456789abcdef",  # of no length that EC2 gives
        "aws:///eu-west-1a/i-012345678",
        "aws:///eu-west-1a/eu-west-1b/i-0123456789abcdef0",
        "aws:////i-0123456789abcdef0",
        "aws:///-/i-0123456789abcdef0",
        "aws:///../i-0123456789abcdef0",
        "aws:///eu-west-1a/../i-0123456789abcdef0",
        "aws:///eu-west-1a/i-0123456789abcdef0/",
        "aws:///eu-west-1a/i-0123456789abcdef0\n",
        "aws:///eu-west-1a/i-0123456789abcdef0?x",
        "aws:///eu-west-1a/eni-0123456789abcdef0",
        "aws:///eu-west-1a/vol-0123456789abcdef0",
    ],
)
def test_sec_05_what_a_kubelet_spells_otherwise_is_no_instance(provider_id: str) -> None:
    assert instance_id(provider_id) is None
