"""What is renewed on disk is used for the next connection, and dead connections are left alone."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from tls_server import tls_server

from moorage_kube.client import channel, transport
from moorage_kube.client.client import Client
from moorage_kube.client.connection import Connection, load_connection
from moorage_kube.client.errors import Unavailable
from moorage_kube.client.kinds import LEASES, NODES
from moorage_kube.election.lease import LeaseElection, LeaseSettings
from moorage_testing.apiserver import ApiServer, serve
from moorage_testing.cluster.identity import Authority
from moorage_testing.waiting import until

pytestmark = pytest.mark.usefixtures("nowhere")


async def nothing() -> None:
    """Start and stop nothing."""


# --- certificates that are renewed


def kubeconfig(folder: Path, server: str, user: dict[str, str]) -> str:
    """A kubeconfig that names ``ca.crt`` beside it."""
    path = folder / "config"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {"name": "k", "cluster": {"server": server, "certificate-authority": "ca.crt"}}
        ],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_a_new_authority_is_used_for_the_next_connection(
    authority: Authority, ca: Path, tmp_path: Path
) -> None:
    async with tls_server(authority) as server:
        server.api.put(NODES, "n1")
        path = kubeconfig(tmp_path, server.api.url, {"token": "t"})
        async with Client(load_connection(path)) as client:
            await client.get(NODES, "n1")
            renewed = Authority.make()
            server.use(renewed)
            with pytest.raises(Unavailable, match="certificate"):
                await client.get(NODES, "n1")
            renewed.write(ca)
            await client.get(NODES, "n1")


@pytest.mark.parametrize("role", ["leader", "standby"])
async def test_a_new_authority_costs_neither_a_leader_nor_a_standby_anything(
    authority: Authority, ca: Path, tmp_path: Path, role: str
) -> None:
    async with tls_server(authority) as server:
        path = kubeconfig(tmp_path, server.api.url, {"token": "t"})
        if role == "standby":
            spec = {"holderIdentity": "other", "leaseDurationSeconds": 3600}
            server.api.put(LEASES, "moorage", "default", spec=spec)
        async with Client(load_connection(path)) as client:
            settings = LeaseSettings("moorage", "default", "me", 60.0, 30.0, 0.05)
            election = LeaseElection(client, settings)
            running = asyncio.create_task(election.run(nothing, nothing))
            await until(lambda: len(server.api.asked) > 2, "the Lease to be read")
            renewed = Authority.make()
            renewed.write(ca)
            server.use(renewed)
            before = len(server.api.asked)
            await until(lambda: len(server.api.asked) > before + 2, "the Lease to be read again")
            assert election.is_leader is (role == "leader")
            assert not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.write_text("half of i")], ids=["gone", "half written"]
)
async def test_an_authority_that_cannot_be_read_leaves_the_last_one(
    authority: Authority,
    ca: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], object],
) -> None:
    async with tls_server(authority) as server:
        server.api.put(NODES, "n1")
        path = kubeconfig(tmp_path, server.api.url, {"token": "t"})
        async with Client(load_connection(path)) as client:
            await client.get(NODES, "n1")
            spoil(ca)
            for _ in range(3):
                server.use(authority)
                await client.get(NODES, "n1")
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1  # not one a request
    assert "stays" in warnings[0]


async def test_a_renewed_client_certificate_is_used_once_its_key_is_there_too(
    authority: Authority, ca: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def write(user: str, *names: str) -> None:
        pem = authority.client_pem(user, ()).decode()
        key, _, certificate = pem.partition("-----BEGIN CERTIFICATE-----")
        parts = {"tls.key": key, "tls.crt": f"-----BEGIN CERTIFICATE-----{certificate}"}
        for name in names or parts:
            (tmp_path / name).write_text(parts[name])

    async with tls_server(authority) as server:
        server.tls.load_verify_locations(ca)
        server.tls.verify_mode = ssl.CERT_REQUIRED
        server.api.put(NODES, "n1")
        write("alice")
        user = {"client-certificate": "tls.crt", "client-key": "tls.key"}
        path = kubeconfig(tmp_path, server.api.url, user)
        async with Client(load_connection(path)) as client:
            await client.get(NODES, "n1")
            write("carol", "tls.crt")
            await client.get(NODES, "n1")
            write("bob")
            await client.get(NODES, "n1")
    assert server.users == ["alice", "alice", "bob"]
    assert "not a pair" in caplog.text


def comment(ca: Path, encoding: str) -> None:
    ca.write_bytes("# Hafenbehörde Zürich\n".encode(encoding) + ca.read_bytes())


def embed(ca: Path, config: str) -> None:
    """Put the authority into the kubeconfig that names it."""
    values = yaml.safe_load(Path(config).read_text())
    cluster = values["clusters"][0]["cluster"]
    del cluster["certificate-authority"]
    cluster["certificate-authority-data"] = b64encode(ca.read_bytes()).decode()
    Path(config).write_text(yaml.safe_dump(values))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("place", ["file", "data"])
async def test_an_authority_may_have_comments_in_any_language(
    authority: Authority, ca: Path, tmp_path: Path, encoding: str, place: str
) -> None:
    comment(ca, encoding)
    async with tls_server(authority) as server:
        server.api.put(NODES, "n1")
        path = kubeconfig(tmp_path, server.api.url, {"token": "t"})
        if place == "data":
            embed(ca, path)
        async with Client(load_connection(path)) as client:
            assert await client.get(NODES, "n1")


def test_a_key_is_never_written_to_a_disk(
    pem: str, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b64encode(pem.encode()).decode()
    user = {"client-certificate-data": data, "client-key-data": data}
    path = kubeconfig(tmp_path, "https://api", user)
    assert ca.exists()
    # As with a read-only root: there is no place for a temporary file.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    load_connection(path)


# --- connections that fell silent


class Relay:
    """Leads connections to a port; those that are there can be made to fall silent."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._silent = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0
        self.open = 0

    def fall_silent(self) -> None:
        """Lead nothing on any more; new connections work."""
        self._silent.set()
        self._silent = asyncio.Event()

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        silent = self._silent
        ways = [self._pump(reader, back, silent), self._pump(there, writer, silent)]
        try:
            await asyncio.gather(*ways)
        finally:
            self.open -= 1
            writer.close()
            back.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if not silent.is_set():
                writer.write(data)
        writer.close()


@asynccontextmanager
async def relay_to(server: ApiServer) -> AsyncIterator[tuple[Relay, Connection]]:
    relay = Relay(int(server.url.rpartition(":")[2]))
    listening = await asyncio.start_server(relay.lead, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield relay, server.connection(server=f"http://127.0.0.1:{port}", insecure=True)
    finally:
        listening.close()
    await until(lambda: relay.open == 0, "the relay to end")


async def keep_connections(client: Client, count: int) -> None:
    """Make calls at the same time, so that so many connections are kept."""
    await asyncio.gather(*(client.list_all(NODES) for _ in range(count)))


@pytest.fixture(name="late")
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_CALL_TIMEOUT", aiohttp.ClientTimeout(total=0.3))


@asynccontextmanager
async def silent_connections() -> AsyncIterator[tuple[Relay, Client, Connection]]:
    """A client that keeps five connections, all of them dead."""
    server = ApiServer()
    async with serve(server), relay_to(server) as (relay, connection), Client(connection) as client:
        server.put(NODES, "n1")
        await keep_connections(client, 5)
        assert relay.accepted == 5
        relay.fall_silent()
        yield relay, client, connection


@pytest.mark.usefixtures("late")
async def test_after_one_call_without_an_answer_the_next_one_has_a_new_connection() -> None:
    async with silent_connections() as (_, client, _connection):
        with pytest.raises(Unavailable, match="no answer"):
            await client.get(NODES, "n1")
        assert await client.get(NODES, "n1")


async def test_the_same_after_a_call_that_its_caller_gave_up() -> None:
    async with silent_connections() as (_, client, _connection):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.get(NODES, "n1")
        async with asyncio.timeout(5):
            assert await client.get(NODES, "n1")


async def test_a_leader_keeps_its_lease_though_all_kept_connections_are_dead() -> None:
    server = ApiServer()
    async with serve(server), relay_to(server) as (relay, connection), Client(connection) as client:
        settings = LeaseSettings("moorage", "default", "me", 9.0, 6.0, 0.2)
        running = asyncio.create_task(LeaseElection(client, settings).run(nothing, nothing))
        await until(lambda: server.requests("PUT"), "the Lease to be renewed")
        await keep_connections(client, 8)
        relay.fall_silent()
        before = len(server.requests("PUT"))
        # The first try takes half of the deadline.
        await until(lambda: len(server.requests("PUT")) > before + 3 or running.done(), "renewals")
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "IDLE_SECONDS", 0.1)
    server = ApiServer()
    async with serve(server), relay_to(server) as (relay, connection), Client(connection) as client:
        await keep_connections(client, 3)
        assert relay.open == 3
        await until(lambda: relay.open == 0, "the idle connections to be closed")


async def test_two_clients_of_one_connection_share_nothing() -> None:
    async with silent_connections() as (relay, _client, connection):
        async with Client(connection) as second, asyncio.timeout(5):
            assert await second.get(NODES, "n1")
        assert relay.accepted == 6


async def test_the_kernel_watches_over_connections() -> None:
    made = channel.new_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("", 0)))
    with made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        known = [getattr(socket, each) for each in options if hasattr(socket, each)]
        assert sum(made.getsockopt(socket.IPPROTO_TCP, each) for each in known) <= 60


async def test_the_error_of_a_server_out_of_reach_shows_no_objects_of_the_ssl_module() -> None:
    source = ApiServer().connection().source
    async with Client(Connection("https://127.0.0.1:1", source)) as client:
        with pytest.raises(Unavailable) as lost:
            await client.get(NODES, "n1")
    assert str(lost.value) == (
        "GET nodes/n1: cannot connect to 127.0.0.1:1 (Connect call failed ('127.0.0.1', 1)) "
        "(ConnectionLost)"
    )
