"""A kubeconfig means what it means to kubectl; what cannot work is refused in one line."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moorage_kube.client.connection import ConfigError, Connection, Credentials, load_connection
from moorage_kube.client.connection.exec_plugin import ExecPlugin

SECRET = "s3cret"  # noqa: S105 - of nothing
Write = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("nowhere")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def credentials(path: Path) -> Credentials:
    return await load_connection(str(path)).credentials()


async def test_the_current_context_says_server_token_and_namespace(write: Write) -> None:
    connection = load_connection(str(write(cluster={"server": "https://api:6443/k8s/c-1/"})))
    assert connection.server == "https://api:6443/k8s/c-1"
    assert connection.namespace == "team"
    assert await connection.credentials() == Credentials(token=SECRET)


def test_all_that_a_cluster_may_say_is_taken_over(write: Write, ca: Path) -> None:
    stated = {
        "certificate-authority": "ca.crt",  # beside the kubeconfig
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy:3128",
    }
    connection = load_connection(str(write(cluster=stated)))
    assert connection.authority() == ca.read_text()
    assert (connection.server_name, connection.proxy) == ("kubernetes", "http://proxy:3128")
    assert not connection.insecure


def test_data_in_the_file_goes_before_a_path_to_it(write: Write, ca: Path) -> None:
    stated = {
        "certificate-authority": "not-there",
        "certificate-authority-data": b64(ca.read_text()),
    }
    assert load_connection(str(write(cluster=stated))).authority() == ca.read_text()


async def test_a_certificate_with_its_key_is_taken_from_files_or_data(
    write: Write, pem: str, tmp_path: Path
) -> None:
    (tmp_path / "alice.pem").write_text(pem)
    for user in (
        {"client-certificate": "alice.pem", "client-key": str(tmp_path / "alice.pem")},
        {"client-certificate-data": b64(pem), "client-key-data": b64(pem)},
    ):
        assert await credentials(write(user=user)) == Credentials(certificate=pem, key=pem)


async def test_a_name_with_a_password_becomes_basic_authentication(write: Write) -> None:
    known = await credentials(write(user={"username": "alice", "password": SECRET}))
    assert known.headers() == {"Authorization": f"Basic {b64(f'alice:{SECRET}')}"}


async def test_a_context_without_a_user_is_anonymous(write: Write) -> None:
    path = write(contexts=[{"name": "c", "context": {"cluster": "k"}}])
    assert (await credentials(path)).headers() == {}


async def test_what_is_null_is_the_same_as_left_out(write: Write) -> None:
    user = {"token": SECRET, "exec": None, "client-key": None}
    path = write(user=user, preferences=None, extensions=None)
    assert await credentials(path) == Credentials(token=SECRET)


def test_unverified_only_where_the_kubeconfig_says_so(write: Write) -> None:
    plain = load_connection(str(write()))
    assert plain.tls(Credentials()).verify_mode is ssl.CERT_REQUIRED
    assert plain.tls(Credentials()).check_hostname
    insecure = load_connection(str(write(cluster={"insecure-skip-tls-verify": True})))
    assert insecure.tls(Credentials()).verify_mode is ssl.CERT_NONE


def broken(**fields: Any) -> dict[str, Any]:
    return fields


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            broken(**{"current-context": "x"}),
            'current-context "x" is not among its contexts: set it to one of: c, spare',
        ),
        (
            broken(**{"current-context": ""}),
            "current-context is not set: set it to one of: c, spare",
        ),
        (
            broken(contexts=None),
            (
                'current-context "c" is not among its contexts: '
                "set it to one of: (there are none, add a context)"
            ),
        ),
        (
            broken(users=[]),
            (
                'context "c": user "u" is not among its users: '
                "set it to one of: (there are none, add a user)"
            ),
        ),
        (
            broken(clusters=[{"name": "other"}]),
            'context "c": cluster "k" is not among its clusters: set it to one of: other',
        ),
        (
            broken(clusters=[{"name": "k", "cluster": {}}]),
            'cluster "k": server is missing: correct it',
        ),
        (
            broken(contexts=[{"name": "c", "context": {"cluster": ["k"]}}]),
            'context "c": cluster is wrong (Input should be a valid string): correct it',
        ),
        (
            broken(contexts="c"),
            "contexts is wrong (Input should be a valid list): correct it",
        ),
        (
            broken(cluster={"server": "api:6443"}),
            'cluster "k": server "api:6443" is no URL: write it like https://host:6443',
        ),
        (
            broken(cluster={"proxy-url": f"socks5://me:{SECRET}@proxy"}),
            'cluster "k": proxy-url is of scheme "socks5": use a proxy of http or https',
        ),
        (
            broken(cluster={"certificate-authority": "gone.crt"}),
            (
                'cluster "k": certificate-authority gone.crt cannot be read '
                "(No such file or directory): correct it"
            ),
        ),
        (
            broken(cluster={"certificate-authority-data": "%%%"}),
            'cluster "k": certificate-authority-data is not base64 of PEM text: put that there',
        ),
        (
            broken(cluster={"certificate-authority-data": b64("no certificate")}),
            "the certificate authority is not a PEM certificate: put one there",
        ),
        (
            broken(
                cluster={
                    "certificate-authority-data": b64("any"),
                    "insecure-skip-tls-verify": True,
                }
            ),
            (
                'cluster "k": insecure-skip-tls-verify is true beside a '
                "certificate-authority: drop one"
            ),
        ),
        (
            broken(user={"client-key-data": b64(SECRET)}),
            'user "u": client-key comes without a client-certificate: give both',
        ),
        (
            broken(user={"client-certificate-data": b64(SECRET)}),
            'user "u": client-certificate comes without a client-key: give both',
        ),
        (
            broken(
                user={
                    "client-key-data": b64(SECRET),
                    "client-certificate-data": b64(SECRET),
                }
            ),
            (
                "the client certificate and its key are not a pair in PEM form, "
                "unencrypted: put such a pair there"
            ),
        ),
        (
            broken(user={"tokenFile": "gone"}),
            'user "u": tokenFile gone is no file: correct it',
        ),
        (
            broken(user={"token": SECRET, "as": "admin"}),
            (
                'user "u": as is not supported: '
                "this would be somebody else: give that identity's own credentials"
            ),
        ),
        (
            broken(user={"auth-provider": {"name": "gcp", "config": {"access-token": SECRET}}}),
            (
                'user "u": auth-provider "gcp" is not supported: '
                "Kubernetes dropped it with 1.26: use exec"
            ),
        ),
        (
            broken(user={"token": {"value": SECRET}}),
            'user "u": token is wrong (Input should be a valid string): correct it',
        ),
        (
            broken(user={"exec": {"apiVersion": "client.authentication.k8s.io/v1"}}),
            'user "u": exec.command is missing: correct it',
        ),
        (
            broken(
                user={
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1alpha1",
                        "command": "sh",
                    }
                }
            ),
            (
                'user "u": exec.apiVersion "client.authentication.k8s.io/v1alpha1" '
                "is not supported: use client.authentication.k8s.io/v1 or "
                "client.authentication.k8s.io/v1beta1"
            ),
        ),
        (
            broken(
                user={
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1",
                        "command": "no-such-plugin",
                        "installHint": "Get it from\nthe vendor.\n",
                    }
                }
            ),
            ('user "u": exec.command "no-such-plugin" is not there: Get it from the vendor.'),
        ),
        (
            broken(
                user={
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1",
                        "command": "sh",
                        "interactiveMode": "Always",
                    }
                }
            ),
            'user "u": exec.interactiveMode is Always, but nobody is here to answer: use Never',
        ),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_with_the_way_out(
    write: Write, fields: dict[str, Any], message: str
) -> None:
    path = write(**fields)
    with pytest.raises(ConfigError) as refusal:
        load_connection(str(path))
    assert str(refusal.value) == f"kubeconfig {path}: {message}"
    assert SECRET not in f"{refusal.value!r} {refusal.value.__cause__!r}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"token:\n  {SECRET}: a: b", "is not YAML at line 2, column 12: correct it"),
        (f"- {SECRET}", "is no kubeconfig: name another with --kubeconfig"),
        ("", "is no kubeconfig: name another with --kubeconfig"),
        ("\x00", "is not YAML: correct it"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_refused_as_such(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(ConfigError) as refusal:
        load_connection(str(path))
    assert str(refusal.value) == f"kubeconfig {path}: {message}"


async def test_a_kubeconfigs_token_file_is_read_beside_it(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from the file")
    known = await credentials(write(user={"tokenFile": "token", "token": "old"}))
    assert known.token == "from the file"  # noqa: S105 - of nothing


async def test_nothing_secret_is_in_any_repr(write: Write, pem: str) -> None:
    user = {
        "token": SECRET,
        "username": "alice",
        "password": SECRET,
        "client-certificate-data": b64(pem),
        "client-key-data": b64(pem),
    }
    path = write(user=user, cluster={"proxy-url": f"http://me:{SECRET}@proxy"})
    connection: Connection = load_connection(str(path))
    shown = f"{connection!r} {connection.source!r} {await connection.credentials()!r}"
    assert SECRET not in shown
    assert "PRIVATE" not in shown


def test_a_plug_in_is_not_run_by_loading(write: Write) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}}
    assert isinstance(load_connection(str(write(user=user))).source, ExecPlugin)
