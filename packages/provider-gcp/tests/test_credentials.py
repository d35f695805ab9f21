"""Tokens that expire, with google-auth's own credentials, against the emulated Compute Engine."""

from __future__ import annotations

import datetime as dt
from typing import Any

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import RefreshError

from moorage_provider.errors import CredentialsRejected
from moorage_provider_gcp.credentials import Gate
from moorage_provider_gcp.provider import GcpProvider
from moorage_testing.clouds.gcp import GceEmulator

URL = "https://compute.example/compute/v1/projects/p/aggregated/addresses"
ABSENT = "192.0.2.254"
# google-auth renews a token 225 s before its end.
SHORT, LONG, OVER = 200.0, 300.0, -1.0


def in_seconds(seconds: float) -> dt.datetime:
    """A time as google-auth expects it: UTC without a time zone."""
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return moment.replace(tzinfo=None)


class Identity(Credentials):
    """Credentials whose token expires, and which get no new one until ``renewable`` is set."""

    def __init__(self, seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # google-auth says little of its types
        self.token, self.expiry = "old", in_seconds(seconds)
        self.error: Exception | None = RefreshError("nobody answers")  # type: ignore[no-untyped-call]  # see above
        self.asked = 0

    def refresh(self, request: object) -> None:
        del request  # nobody is asked
        self.asked += 1
        if self.error is not None:
            raise self.error
        self.token, self.expiry = "new", in_seconds(3600)


def presented(gate: Gate) -> str:
    """The header that a request is sent with."""
    headers: dict[str, str] = {}
    gate.before_request(None, "GET", URL, headers)
    return headers.get("authorization", "")


def fence() -> None:
    raise AssertionError("nothing is changed here")


def test_a_token_that_cannot_be_renewed_is_used_to_its_end_and_expiring() -> None:
    identity = Identity(SHORT)
    gate = Gate(identity, fence)
    assert not gate.expiring
    assert presented(gate) == "Bearer old"
    assert identity.asked == 1
    assert gate.expiring
    identity.error = None
    assert presented(gate) == "Bearer new"
    assert not gate.expiring


def test_a_token_whose_file_is_gone_is_used_to_its_end() -> None:
    identity = Identity(SHORT)
    identity.error = FileNotFoundError()
    gate = Gate(identity, fence)
    assert presented(gate) == "Bearer old"
    assert gate.expiring


def test_an_expired_token_is_not_used() -> None:
    gate = Gate(Identity(OVER), fence)
    with pytest.raises(RefreshError):
        presented(gate)


def test_a_token_that_ends_later_is_neither_renewed_nor_expiring() -> None:
    identity = Identity(LONG)
    gate = Gate(identity, fence)
    assert presented(gate) == "Bearer old"
    assert identity.asked == 0
    assert not gate.expiring


def test_without_a_token_none_is_expiring() -> None:
    gate = Gate(AnonymousCredentials(), fence)  # type: ignore[no-untyped-call]  # see above
    assert presented(gate) == ""
    assert not gate.expiring


async def test_the_provider_reports_on_the_token_it_used_last(
    emulator: GceEmulator, provider: GcpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOORAGE_GCP_CREDENTIALS")
    identity = Identity(SHORT)

    def default(**_: Any) -> tuple[Identity, str]:
        return identity, ""

    monkeypatch.setattr(google.auth, "default", default)
    assert not provider.credentials_expiring()
    assert await provider.snapshot((ABSENT,)) == {}
    assert provider.credentials_expiring()
    identity.expiry = in_seconds(OVER)
    since = len(emulator.faults.calls)
    with pytest.raises(CredentialsRejected):
        await provider.snapshot((ABSENT,))
    assert emulator.faults.ops(since) == ()
    assert not provider.credentials_expiring()
    identity.error = None
    assert await provider.snapshot((ABSENT,)) == {}
    assert not provider.credentials_expiring()
