"""TLS of the admission service: research/danm.md, §4.3, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme
from cryptography import x509
from danm_admission_lab import Served, leaf_of, served
from danm_admission_objects import pod, review

from moorage_danm.webhook.registration import PATH
from moorage_testing.waiting import until

API_SERVER = "kube-apiserver"


async def is_cut_off(lab: Served, shown: trustme.LeafCert | None) -> bool:
    """Whether there is no answer. What TLS 1.3 refuses a caller sees at its first read only."""
    try:
        await lab.call(review(pod()), shown=shown)
    except (aiohttp.ClientError, ssl.SSLError, ConnectionError):
        return True
    return False


def answers(lab: Served) -> float:
    """How many questions were answered."""
    counted = {"webhook": PATH, "operation": "CREATE", "decision": "allowed"}
    return lab.metric("webhook_requests_total", **counted)


async def serial(lab: Served) -> int:
    """Of the certificate that a new connection gets."""
    _, writer = await lab.raw()
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


def number(leaf: trustme.LeafCert) -> int:
    return x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number


async def test_tls_wrong_client_cert(tmp_path: Path) -> None:
    async with served(tmp_path, client_auth=True) as lab:
        assert await is_cut_off(lab, leaf_of(trustme.CA(), API_SERVER))
        assert answers(lab) == 0
        status, said = await lab.call(review(pod()), shown=leaf_of(lab.callers, API_SERVER))
        assert (status, said["response"]["allowed"]) == (200, True)


async def test_tls_no_client_cert(tmp_path: Path) -> None:
    async with served(tmp_path, client_auth=True) as lab:
        assert await is_cut_off(lab, None)
        assert answers(lab) == 0
    async with served(tmp_path) as lab:
        assert not await is_cut_off(lab, None), "nobody asked for one"


@pytest.mark.parametrize("names", ["", API_SERVER])
async def test_tls_right_ca_wrong_cn(tmp_path: Path, names: str) -> None:
    """The authority of a cluster signs for each of its kubelets."""
    async with served(tmp_path, client_auth=True, client_names=names) as lab:
        kubelet = leaf_of(lab.callers, "system:node:n1", group="system:nodes")
        status, said = await lab.call(review(pod()), shown=kubelet)
        assert status == 403
        assert "system:node:n1" in said
        assert answers(lab) == 0
        assert (await lab.call(review(pod()), shown=leaf_of(lab.callers, API_SERVER)))[0] == 200


async def test_tls_expired_client(tmp_path: Path) -> None:
    async with served(tmp_path, client_auth=True) as lab:
        assert await is_cut_off(lab, leaf_of(lab.callers, API_SERVER, days=-1))
        assert answers(lab) == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_12_min(tmp_path: Path) -> None:
    async with served(tmp_path) as lab:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _version(lab, ssl.TLSVersion.TLSv1_1)
        assert await _version(lab, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"


async def _version(lab: Served, version: ssl.TLSVersion) -> str:
    context = lab.context()
    # This side would take less than the service does.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    _, writer = await asyncio.open_connection(
        "localhost", lab.server.port, ssl=context, server_hostname="localhost"
    )
    found: str = writer.get_extra_info("ssl_object").version()
    writer.close()
    return found


async def _shows(lab: Served, leaf: trustme.LeafCert) -> None:
    """Wait until new connections get this certificate."""
    async with asyncio.timeout(60):
        while await serial(lab) != number(leaf):
            pass


async def test_tls_rotate_live(tmp_path: Path) -> None:
    """Two keep their connection, two make a new one each time; all are answered."""
    async with served(tmp_path) as lab:
        new_authority = trustme.CA()
        lab.trusted.append(new_authority)
        stop, count = asyncio.Event(), 0

        async def keep_asking(*, on_new_connections: bool) -> None:
            nonlocal count
            async with lab.session() as session:
                while not stop.is_set():
                    asking = (
                        lab.call(review(pod()))
                        if on_new_connections
                        else lab.call_by(session, review(pod()))
                    )
                    assert (await asking)[0] == 200
                    count += 1

        async with asyncio.TaskGroup() as group:
            for on_new_connections in (True, True, False, False):
                group.create_task(keep_asking(on_new_connections=on_new_connections))
            after = leaf_of(new_authority, "localhost")
            lab.show(after)
            await _shows(lab, after)
            enough = count + 20
            await until(lambda: count >= enough, "more answers")
            stop.set()
        assert answers(lab) == count
        assert lab.metric("webhook_certificate_problem") == 0


async def test_tls_rotate_bad_pair(tmp_path: Path) -> None:
    async with served(tmp_path) as lab:
        before = await serial(lab)
        other = leaf_of(lab.authority, "localhost")
        (tmp_path / "tls.key").write_bytes(other.private_key_pem.bytes())
        await until(lambda: lab.metric("webhook_certificate_problem") == 1, "the alarm")
        assert await serial(lab) == before
        assert lab.server.ready() is None
        lab.show(other)
        await until(lambda: lab.metric("webhook_certificate_problem") == 0, "the alarm to end")
        assert await serial(lab) == number(other)


async def test_tls_ca_overlap(tmp_path: Path) -> None:
    """While replicas change one after the other, whoever trusts both authorities reaches each."""
    second_folder = tmp_path / "second"
    second_folder.mkdir()
    async with served(tmp_path) as first, served(second_folder) as second:
        new = trustme.CA()
        for lab in (first, second):
            lab.trusted += [first.authority, second.authority, new]
        for changed in (first, second):
            fresh = leaf_of(new, "localhost")
            changed.show(fresh)
            await _shows(changed, fresh)
            for lab in (first, second):
                assert (await lab.call(review(pod())))[0] == 200
        # Only now may the old ones go.
        for lab in (first, second):
            lab.trusted[:] = [new]
            lab.authority = new
            assert (await lab.call(review(pod())))[0] == 200
