"""Tokens that end, with google-auth's own credentials, against the emulated Compute Engine."""

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
# google-auth wants another token 225 s before the end.
SHORT, LONG, OVER = 200.0, 300.0, -1.0


def in_seconds(seconds: float) -> dt.datetime:
    """A moment as google-auth wants it: UTC without saying so."""
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return moment.replace(tzinfo=None)


class Identity(Credentials):
    """Somebody with a token that ends; nobody gives another one out before that is mended."""

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
    """The header that a request goes out with."""
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


def test_a_token_that_is_over_is_not_used() -> None:
    gate = Gate(Identity(OVER), fence)
    with pytest.raises(RefreshError):
        presented(gate)


def test_a_token_that_has_time_is_neither_renewed_nor_expiring() -> None:
    identity = Identity(LONG)
    gate = Gate(identity, fence)
    assert presented(gate) == "Bearer old"
    assert identity.asked == 0
    assert not gate.expiring


def test_whoever_has_no_token_has_none_that_ends() -> None:
    gate = Gate(AnonymousCredentials(), fence)  # type: ignore[no-untyped-call]  # see above
    assert presented(gate) == ""
    assert not gate.expiring


async def test_the_provider_tells_of_the_token_it_used_last(
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
