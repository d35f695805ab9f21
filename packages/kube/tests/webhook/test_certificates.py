"""Certificates from files: taken when they change, kept out when wrong, and no request is lost."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from webhook_lab import Lab, ask, client_context, pair, running, write_pair

from moorage_domain.admission import AdmissionRequest, Allowed, Decision
from moorage_kube.webhook.authority import Bundle
from moorage_kube.webhook.certificates import BadCertificate, FileCertificates, Serving
from moorage_kube.webhook.webhook import Webhook

ROTATIONS = 5


def allow(_: AdmissionRequest) -> Decision:
    return Allowed()


async def served(lab: Lab, *trusted: Bundle) -> int:
    """The serial number of the certificate that a new connection gets."""
    context = client_context(*trusted)
    _, writer = await asyncio.open_connection(
        "127.0.0.1", lab.server.port, ssl=context, server_hostname="localhost"
    )
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


class Load:
    """Two who keep their connection, two who make a new one each time; all must be answered."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.answered = 0
        self.stopped = False
        self._progress = asyncio.Event()

    async def keep_asking(self, *, on_new_connections: bool) -> None:
        async with self.lab.caller() as session:
            while not self.stopped:
                asking = (
                    self.lab.ask() if on_new_connections else ask(session, f"{self.lab.url}/check")
                )
                assert (await asking)[0] == 200
                self.answered += 1
                self._progress.set()

    async def go_on(self, count: int) -> None:
        """Wait for so many more answers."""
        enough = self.answered + count
        async with asyncio.timeout(60):
            while self.answered < enough:
                await self._progress.wait()
                self._progress.clear()


async def test_new_certificates_are_served_under_load_without_a_lost_request(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, [Webhook("/check", allow)]) as lab:
        bundles = [pair() for _ in range(ROTATIONS)]
        lab.trusted.extend(bundles)
        load = Load(lab)
        async with asyncio.TaskGroup() as group:
            for on_new_connections in (True, True, False, False):
                group.create_task(load.keep_asking(on_new_connections=on_new_connections))
            for bundle in bundles:
                write_pair(tmp_path, bundle)
                wanted = bundle.certificate.serial_number
                async with asyncio.timeout(60):
                    while await served(lab, lab.bundle, *bundles) != wanted:
                        pass
                await load.go_on(10)
            load.stopped = True
        assert lab.metric("dropped_connections_total", reason="late") == 0
        requests = {"webhook": "/check", "operation": "CREATE", "decision": "allowed"}
        assert lab.metric("requests_total", **requests) == load.answered


class TestFiles:
    """One refresh at a time."""

    def source(self, folder: Path) -> FileCertificates:
        return FileCertificates(folder / "tls.crt", folder / "tls.key")

    def test_missing_files_are_waited_for_and_named(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        source = self.source(tmp_path)
        assert source.ready() == "no certificate yet"
        for _ in range(3):
            source.refresh()
        assert source.serving is None
        assert source.ready() == f"{tmp_path / 'tls.crt'}: No such file or directory"
        assert len(caplog.records) == 1
        write_pair(tmp_path, pair())
        source.refresh()
        assert source.ready() is None

    def test_a_pair_that_does_not_fit_is_kept_out_and_said_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        source, good, other = self.source(tmp_path), pair(), pair()
        write_pair(tmp_path, good)
        source.refresh()
        serving = source.serving
        (tmp_path / "tls.key").write_bytes(other.key)
        caplog.clear()
        source.refresh()
        assert caplog.records == []  # the other file may be on its way
        for _ in range(3):
            source.refresh()
        assert [each.levelname for each in caplog.records] == ["WARNING"]
        assert "certificate and key do not fit" in caplog.text
        assert source.serving is serving
        assert source.ready() is None
        assert "do not fit" in str(source.problem()), "the gauge of it is 1"
        write_pair(tmp_path, other)
        source.refresh()
        assert source.serving is not serving
        assert source.problem() is None

    @pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nxx\n", b"\xff\x00"])
    def test_what_is_no_certificate_is_kept_out(self, tmp_path: Path, content: bytes) -> None:
        source = self.source(tmp_path)
        write_pair(tmp_path, pair())
        (tmp_path / "tls.crt").write_bytes(content)
        source.refresh()
        assert source.serving is None
        assert "cannot be read" in str(source.ready())

    def test_the_same_files_are_loaded_once(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        write_pair(tmp_path, pair())
        source.refresh()
        serving = source.serving
        source.refresh()
        assert source.serving is serving

    def test_files_that_vanish_leave_what_is_served(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        paths = write_pair(tmp_path, pair())
        source.refresh()
        for path in paths:
            path.unlink()
        source.refresh()
        assert source.ready() is None

    def test_the_swap_of_a_mounted_secret_is_noticed(self, tmp_path: Path) -> None:
        """As the kubelet does it: a folder a generation, one symbolic link that is replaced."""
        first, second = pair(), pair()
        for name, bundle in (("..1", first), ("..2", second)):
            (tmp_path / name).mkdir()
            write_pair(tmp_path / name, bundle)
        (tmp_path / "..data").symlink_to("..1")
        for name in ("tls.crt", "tls.key"):
            (tmp_path / name).symlink_to(f"..data/{name}")
        source = self.source(tmp_path)
        source.refresh()
        before = source.serving
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        source.refresh()
        assert source.serving is not before

    def test_a_certificate_that_has_ended_is_not_ready(self, tmp_path: Path) -> None:
        now = [dt.datetime.now(dt.UTC)]
        source = FileCertificates(*write_pair(tmp_path, pair()), now=lambda: now[0])
        source.refresh()
        assert source.ready() is None
        now[0] += dt.timedelta(days=100)
        assert str(source.ready()).startswith("the certificate ended at ")


def test_a_key_is_shown_nowhere() -> None:
    bundle = pair()
    with pytest.raises(BadCertificate) as error:
        Serving.load(bundle.chain, pair().key)
    key = bundle.key.splitlines()[1].decode()
    for text in (repr(bundle), repr(Serving.load(bundle.chain, bundle.key)), str(error.value)):
        assert "PRIVATE KEY" not in text
        assert key not in text


def test_old_versions_of_tls_are_refused() -> None:
    bundle = pair()
    context = Serving.load(bundle.chain, bundle.key).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
