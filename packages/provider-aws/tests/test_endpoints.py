"""Every partition of AWS, and its names with IPv6, are reached by their own names."""

import pytest

from moorage_provider_aws.ec2 import Ec2, Settings


@pytest.mark.parametrize(
    ("region", "dual_stack", "url"),
    [
        ("eu-west-1", "false", "https://ec2.eu-west-1.amazonaws.com"),
        ("eu-west-1", "true", "https://ec2.eu-west-1.api.aws"),
        ("us-gov-west-1", "true", "https://ec2.us-gov-west-1.api.aws"),
        ("cn-north-1", "false", "https://ec2.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "false", "https://ec2.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_a_region_is_reached_by_the_name_of_its_partition(
    monkeypatch: pytest.MonkeyPatch, region: str, dual_stack: str, url: str
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", dual_stack)
    settings = Settings(region=region, timeout_seconds=10.0, connections=1)
    ec2 = Ec2(settings, lambda: None, lambda _: None)
    assert ec2._client.meta.endpoint_url == url
    ec2.close()
