"""Credentials that end, with botocore's own chain, over HTTP against the emulated EC2."""

import datetime as dt
import json
import logging
from pathlib import Path

import pytest

from moorage_provider.errors import CredentialsRejected
from moorage_provider_aws.provider import AwsProvider
from moorage_testing.clouds.aws import Ec2Emulator, token_service
from moorage_testing.faults import Fault

KEY = "hunter2"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# Between the 15 minutes from which botocore tries and the 10 below which it does not sign.
MINUTES_TOO_FEW = 12
IP = "198.51.100.250"


class Source:
    """A source of temporary credentials: a command, as people configure it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config"
        self._file = folder / "credentials.json"
        self.config.write_text(f"[default]\ncredential_process = cat {self._file}\n")

    def give(self, minutes: int) -> None:
        """Give out credentials that expire in this many minutes."""
        end = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        given = {
            "Version": 1,
            "AccessKeyId": "AKIAEXAMPLE",
            "SecretAccessKey": KEY,
            "SessionToken": "token",
            "Expiration": end.isoformat(),
        }
        self._file.write_text(json.dumps(given))

    def fail(self) -> None:
        """Give out no credentials any more."""
        self._file.unlink()


@pytest.fixture
def source(emulator: Ec2Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    del emulator  # only that the environment leads to it
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    source = Source(tmp_path)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(source.config))
    return source


async def test_harm_25_where_credentials_were_found_is_for_whoever_debugs(
    source: Source, provider: AwsProvider, caplog: pytest.LogCaptureFixture
) -> None:
    source.give(60)
    root = logging.getLogger()
    caplog.set_level(logging.INFO, logger="botocore.credentials")
    before = root.level
    root.setLevel(logging.INFO)
    try:
        assert await provider.snapshot((IP,)) == {}
    finally:
        root.setLevel(before)
    assert [one.getMessage() for one in caplog.records if "redentials" in one.getMessage()] == []
    assert not logging.getLogger("botocore.credentials").isEnabledFor(logging.INFO)


async def test_credentials_that_were_not_renewed_are_expiring_until_they_are(
    source: Source, provider: AwsProvider
) -> None:
    source.give(MINUTES_TOO_FEW)
    assert await provider.snapshot((IP,)) == {}
    assert provider.credentials_expiring()
    source.fail()
    assert await provider.snapshot((IP,)) == {}
    assert provider.credentials_expiring()
    source.give(60)
    assert await provider.snapshot((IP,)) == {}
    assert not provider.credentials_expiring()


async def test_credentials_that_end_later_are_not_expiring(
    source: Source, provider: AwsProvider
) -> None:
    source.give(16)
    assert await provider.snapshot((IP,)) == {}
    assert not provider.credentials_expiring()


async def test_keys_have_no_end(emulator: Ec2Emulator, provider: AwsProvider) -> None:
    del emulator  # keys are what its environment gives
    assert await provider.snapshot((IP,)) == {}
    assert not provider.credentials_expiring()


async def test_after_a_refusal_there_are_no_credentials_that_could_expire(
    source: Source, emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    source.give(MINUTES_TOO_FEW)
    assert await provider.snapshot((IP,)) == {}
    assert provider.credentials_expiring()
    emulator.faults.inject(Fault(op="DescribeAddresses", status=401, code="AuthFailure"))
    with pytest.raises(CredentialsRejected):
        await provider.snapshot((IP,))
    assert not provider.credentials_expiring()


async def test_a_role_that_was_never_assumed_is_not_expiring(
    source: Source,
    emulator: Ec2Emulator,
    provider: AwsProvider,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    del source  # only that there are no keys
    token = tmp_path / "token"
    token.write_text("header.payload.signature")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/moorage")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    assert await provider.snapshot(()) == {}
    assert not provider.credentials_expiring()
    since = len(emulator.faults.calls)
    with token_service() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        assert await provider.snapshot((IP,)) == {}
    assert set(emulator.faults.ops(since)) == {"DescribeAddresses"}
    assert not provider.credentials_expiring()


async def test_below_ten_minutes_botocore_signs_nothing_so_that_a_warning_would_be_late(
    source: Source, emulator: Ec2Emulator, provider: AwsProvider
) -> None:
    source.give(9)
    # Finds them; they are used by the next call only.
    assert await provider.snapshot(()) == {}
    source.fail()
    since = len(emulator.faults.calls)
    with pytest.raises(CredentialsRejected):
        await provider.snapshot((IP,))
    assert emulator.faults.ops(since) == ()
    assert not provider.credentials_expiring()
