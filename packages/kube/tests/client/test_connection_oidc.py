"""An ID token is renewed by its issuer, who is verified, and no secret is shown."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tls_server import tls_server

from moorage_kube.client.connection import ConfigError, CredentialSource, load_connection
from moorage_kube.client.errors import Unavailable
from moorage_testing.cluster.identity import Authority

SECRET = "s3cret"  # noqa: S105 - of nothing
Write = Callable[..., Path]
pytestmark = [
    pytest.mark.usefixtures("nowhere", "ca"),
    # The official client still speaks aiohttp's older dialect.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def token(lifetime: float, name: str = "t") -> str:
    claims = json.dumps({"exp": time.time() + lifetime, "sub": name}).encode()
    return f"{name}.{urlsafe_b64encode(claims).decode().rstrip('=')}.signature"


@dataclass
class Issuer:
    """An identity provider over TLS."""

    url: str = ""
    answer: Any = None
    status: int = 200
    asked: list[tuple[str | None, dict[str, Any]]] = field(default_factory=list)

    async def describe(self, _: web.Request) -> web.Response:
        return web.json_response({"token_endpoint": f"{self.url}/token"})

    async def renew(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers.get("Authorization"), dict(await request.post())))
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def issuing(authority: Authority) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.describe)
    app.router.add_post("/token", issuer.renew)
    async with tls_server(authority) as certificates:
        running = TestServer(app, scheme="https")
        await running.start_server(ssl=certificates.tls)
        issuer.url = str(running.make_url("")).rstrip("/")
        yield issuer
        await running.close()


def source(write: Write, issuer: str, **config: str) -> CredentialSource:
    fields = {
        "idp-issuer-url": issuer,
        "client-id": "example",
        "client-secret": SECRET,
        "refresh-token": f"{SECRET}-refresh",
        "idp-certificate-authority": "ca.crt",
    }
    named = {name.replace("_", "-"): value for name, value in config.items()}
    user = {"auth-provider": {"name": "oidc", "config": fields | named}}
    return load_connection(str(write(user=user))).source


async def test_a_token_is_used_until_it_expires(write: Write, authority: Authority) -> None:
    async with issuing(authority) as issuer:
        issuer.answer = {"id_token": token(3600, "new"), "refresh_token": "next"}
        old = token(3600, "old")
        good = source(write, issuer.url, id_token=old)
        assert [(await good.current()).token for _ in range(2)] == [old, old]
        assert issuer.asked == []
        for old in (token(5), token(-5), ""):
            expired = source(write, issuer.url, id_token=old)
            known = await asyncio.gather(*(expired.current() for _ in range(5)))
            assert {each.token for each in known} == {issuer.answer["id_token"]}
    assert len(issuer.asked) == 3
    authorization, body = issuer.asked[0]
    assert str(authorization).startswith("Basic ")
    assert body == {"grant_type": "refresh_token", "refresh_token": f"{SECRET}-refresh"}


async def test_a_rejected_token_is_renewed_with_the_newest_refresh_token(
    write: Write, authority: Authority
) -> None:
    async with issuing(authority) as issuer:
        tokens = source(write, issuer.url, id_token="no token that we can read")  # noqa: S106 - of nothing
        for number in ("one", "two"):
            issuer.answer = {"id_token": token(3600, number), "refresh_token": number}
            tokens.reject(await tokens.current())
            assert (await tokens.current()).token == issuer.answer["id_token"]
    assert [body["refresh_token"] for _, body in issuer.asked] == [f"{SECRET}-refresh", "one"]


async def test_an_issuer_that_is_not_verified_gets_no_secret(
    write: Write, authority: Authority, tmp_path: Path
) -> None:
    Authority.make().write(tmp_path / "ca.crt")  # of another authority
    async with issuing(authority) as issuer:
        for ca in ("ca.crt", ""):
            tokens = source(write, issuer.url, idp_certificate_authority=ca)
            with pytest.raises(Unavailable, match=r"(?i)certificate"):
                await tokens.current()
        assert issuer.asked == []


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (200, {"access_token": SECRET}, "no ID token came back (KeyError)"),
        (200, [SECRET], "no ID token came back (TypeError)"),
        (400, {"error": SECRET}, "oidc: failed to refresh access token"),
    ],
)
async def test_the_refusal_of_an_issuer_is_reported_without_secrets(
    write: Write, authority: Authority, status: int, answer: Any, message: str
) -> None:
    async with issuing(authority) as issuer:
        issuer.status, issuer.answer = status, answer
        with pytest.raises(Unavailable) as failure:
            await source(write, issuer.url).current()
    assert failure.value.message == message
    assert SECRET not in f"{failure.value} {failure.value.__cause__!r}"


async def test_an_expired_token_without_a_refresh_token_is_an_error(write: Write) -> None:
    tokens = source(write, "https://issuer", id_token=token(-1), refresh_token="")
    known = "the ID token has expired and there is no refresh-token"
    with pytest.raises(Unavailable, match=known):
        await tokens.current()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"idp_issuer_url": "http://issuer"}, "idp-issuer-url is no https URL: OIDC needs one"),
        (
            {"refresh_token": ""},
            "auth-provider has neither id-token nor refresh-token: log in first",
        ),
        (
            {"idp_certificate_authority": "gone"},
            (
                "idp-certificate-authority gone cannot be read (No such file or directory): "
                "correct it"
            ),
        ),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_read(
    write: Write, config: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        source(write, **({"issuer": "https://issuer"} | config))
    assert str(refusal.value).endswith(f': user "u": {message}')


def test_no_secret_is_in_a_repr(write: Write) -> None:
    assert SECRET not in repr(source(write, "https://issuer", id_token=SECRET))
