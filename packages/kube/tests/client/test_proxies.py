"""A proxy of the environment is used as kubectl uses it; one of the kubeconfig goes before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tls_server import tls_server

from moorage_kube.client.client import Client
from moorage_kube.client.connection import ConfigError, load_connection
from moorage_kube.client.connection.proxies import proxy_from_environment
from moorage_kube.client.errors import NotFound
from moorage_kube.client.kinds import NODES
from moorage_testing.apiserver import TOKEN
from moorage_testing.cluster.identity import Authority
from moorage_testing.waiting import until

PROXY = "http://proxy:3128"
SECRET = "s3cret"  # noqa: S105 - of nothing
Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("server", "environment", "proxy"),
    [
        ("https://api:6443", {}, None),
        ("https://api:6443", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://api:6443", {"https_proxy": PROXY}, PROXY),
        ("https://api:6443", {"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, PROXY),
        ("https://api:6443", {"HTTPS_PROXY": "", "https_proxy": PROXY}, PROXY),
        ("https://api:6443", {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        ("https://api:6443", {"HTTPS_PROXY": "https://proxy"}, "https://proxy"),
        ("https://api:6443", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, None),
        ("http://api:8080", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://api:8080", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_which_variable_counts(server: str, environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_from_environment(server, environment) == proxy


@pytest.mark.parametrize(
    "server", ["https://localhost", "https://127.0.0.1:6443", "https://127.8.9.1", "https://[::1]"]
)
def test_this_machine_is_never_asked_through_a_proxy(server: str) -> None:
    assert proxy_from_environment(server, {"HTTPS_PROXY": PROXY}) is None


@pytest.mark.parametrize(
    ("host", "no_proxy", "excepted"),
    [
        ("api.example.com", "*", True),
        ("api.example.com", "a, *", True),
        ("api.example.com", "api.example.com", True),
        ("API.Example.com", " api.EXAMPLE.com ", True),
        ("api.example.com", "example.com", True),
        ("api.example.com", ".example.com", True),
        ("api.example.com", "*.example.com", True),
        ("example.com", "example.com", True),
        ("example.com", ".example.com", False),
        ("example.com", "*.example.com", False),
        ("badexample.com", "example.com", False),
        ("api.example.com", "api", False),
        ("api.example.com", "example.com:6443", True),
        ("api.example.com", "example.com:443", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:6443", True),
        ("10.1.2.3", "10.1.2.3:443", False),
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.1.2.3", "10.1.9.9/16", True),
        ("10.1.2.3", "10.2.0.0/16", False),
        ("10.1.2.3", "2.3", False),
        ("10.1.2.3", ".3", False),
        ("10.1.2.3", "fd00::/8", False),
        ("api.example.com", "10.0.0.0/8", False),
        ("10.1.2.3", "::ffff:10.1.2.3", True),
        ("[fd00::1]", "fd00::1", True),
        ("[fd00::1]", "[fd00::1]", True),
        ("[fd00::1]", "[fd00::1]:6443", True),
        ("[fd00::1]", "[fd00::1]:443", False),
        ("[fd00::1]", "fd00::/8", True),
        ("api.example.com", ",,:6443,[,/", False),
        ("api.example.com", "", False),
    ],
)
def test_what_no_proxy_excepts(host: str, no_proxy: str, *, excepted: bool) -> None:
    for variable in ("NO_PROXY", "no_proxy"):
        environment = {"HTTPS_PROXY": PROXY, variable: no_proxy}
        proxy = proxy_from_environment(f"https://{host}:6443", environment)
        assert proxy == (None if excepted else PROXY)


def test_the_port_of_a_url_without_one_is_that_of_its_scheme() -> None:
    environment = {"HTTPS_PROXY": PROXY, "NO_PROXY": "api:443"}
    assert proxy_from_environment("https://api", environment) is None


def test_a_proxy_of_another_kind_is_refused_unless_it_is_not_needed() -> None:
    environment = {"HTTPS_PROXY": f"socks5://me:{SECRET}@proxy"}
    with pytest.raises(ConfigError) as refusal:
        proxy_from_environment("https://api", environment)
    assert str(refusal.value) == (
        'HTTPS_PROXY is of scheme "socks5": use a proxy of http or https, '
        "or except the API server with NO_PROXY"
    )
    assert proxy_from_environment("https://api", environment | {"NO_PROXY": "*"}) is None


@pytest.mark.usefixtures("nowhere")
def test_a_proxy_of_the_kubeconfig_goes_before_all_of_the_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert load_connection(str(write())).proxy == PROXY
    monkeypatch.setenv("NO_PROXY", "*")
    assert load_connection(str(write())).proxy is None
    stated = write(cluster={"proxy-url": "http://told"})
    assert load_connection(str(stated)).proxy == "http://told"


@pytest.mark.usefixtures("nowhere")
def test_a_pod_uses_the_proxy_of_its_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca: Path
) -> None:
    for name in ("token", "namespace"):
        (tmp_path / name).write_text("team")
    assert ca.parent == tmp_path
    stated = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    for name, value in (stated | {"HTTPS_PROXY": PROXY}).items():
        monkeypatch.setenv(name, value)
    assert load_connection(None, tmp_path).proxy == PROXY
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert load_connection(None, tmp_path).proxy is None


@asynccontextmanager
async def connect_proxy(port: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that leads every CONNECT to this port, and what it was asked for."""
    asked: list[str] = []
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for way in (pump(reader, back), pump(there, writer)):
            pumps.add(asyncio.create_task(way))

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    yield f"http://me:{SECRET}@127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    server.close()
    await until(lambda: all(task.done() for task in pumps), "the proxy to end")


@pytest.mark.usefixtures("nowhere")
async def test_the_proxy_sees_the_name_and_a_tunnel_but_not_our_token(
    write: Write, authority: Authority, ca: Path
) -> None:
    async with (
        tls_server(authority) as server,
        connect_proxy(int(server.api.url.rpartition(":")[2])) as (proxy, asked),
    ):
        cluster = {
            "server": "https://kubernetes.default.svc:6443",
            "certificate-authority": str(ca),
            "proxy-url": proxy,
        }
        path = write(cluster=cluster, user={"token": TOKEN})
        async with Client(load_connection(str(path))) as client:
            with pytest.raises(NotFound):
                await client.get(NODES, "n1")
    (request,) = asked
    assert request.startswith("CONNECT kubernetes.default.svc:6443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic " in request
    assert TOKEN not in request
    assert server.api.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
