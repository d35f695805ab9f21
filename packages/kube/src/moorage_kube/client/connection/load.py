"""Loading: which of the places where a connection may be described is used."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from moorage_kube.client.connection.credentials import (
    CertificateFiles,
    Credentials,
    FixedCredentials,
    TokenFile,
)
from moorage_kube.client.connection.endpoint import Connection
from moorage_kube.client.connection.errors import ConfigError
from moorage_kube.client.connection.kubeconfig import from_kubeconfig
from moorage_kube.client.connection.pem import PemFile
from moorage_kube.client.connection.proxies import proxy_from_environment

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def load_connection(
    kubeconfig: str | None = None, service_account: Path = SERVICE_ACCOUNT
) -> Connection:
    """The connection described in the first of these places.

    The file ``kubeconfig``; the files of ``$KUBECONFIG``, of which missing ones are passed over;
    the pod's ServiceAccount; ``~/.kube/config``. Certificates and commands are checked too.
    A proxy that the kubeconfig names goes before one of the environment.
    Raises :class:`ConfigError` where none is there, or the first one that is cannot work.
    """
    connection = _described(kubeconfig, service_account)
    if connection.proxy is None:
        proxy = proxy_from_environment(connection.server, os.environ)
        connection = replace(connection, proxy=proxy)
    connection.tls(_known(connection))
    return connection


def _described(kubeconfig: str | None, service_account: Path) -> Connection:
    if kubeconfig:
        return from_kubeconfig([_expanded(kubeconfig)])
    listed = os.environ.get("KUBECONFIG", "")
    if listed:
        paths = [Path(path) for path in listed.split(os.pathsep) if path]
        there = [path for path in paths if path.exists()]
        if not there:
            raise ConfigError(f"KUBECONFIG {listed}: no such file: correct or unset it")
        return from_kubeconfig(there)
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _in_cluster(service_account)
    home = _expanded("~/.kube/config")
    if home.exists():
        return from_kubeconfig([home])
    raise ConfigError(
        f"no way to the API server: this is no pod, KUBECONFIG is not set and {home} is not there: "
        "name a kubeconfig with --kubeconfig"
    )


def _expanded(path: str) -> Path:
    """With the home folder for ``~``; as it is written for a user who has none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _in_cluster(folder: Path) -> Connection:
    # Not for who only reads a kubeconfig.
    from kubernetes.client import Configuration  # noqa: PLC0415 - see above
    from kubernetes.config import ConfigException  # noqa: PLC0415 - see above
    from kubernetes.config.incluster_config import (  # noqa: PLC0415 - see above
        InClusterConfigLoader,
    )

    official = Configuration()
    token, ca = folder / "token", folder / "ca.crt"
    loader = InClusterConfigLoader(str(token), str(ca), try_refresh_token=False)
    try:
        loader.load_and_set(official)
        namespace = (folder / "namespace").read_text().strip()
        authority = PemFile(ca)
    except (ConfigException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"ServiceAccount in {folder}: {_cause(error)}: set automountServiceAccountToken "
            "to true or name a kubeconfig with --kubeconfig"
        ) from error
    return Connection(
        server=official.host,
        source=TokenFile(token),
        origin=f"ServiceAccount in {folder}",
        ca=authority,
        namespace=namespace,
    )


def _cause(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def _known(connection: Connection) -> Credentials:
    """The credentials as far as they are known without asking anybody."""
    match connection.source:
        case FixedCredentials() as source:
            return source.credentials
        case CertificateFiles() as source:
            return source.with_pair(Credentials())
        case _:
            return Credentials()
