"""Loading: which of the places where a connection may be described is used."""

from __future__ import annotations

import os
from pathlib import Path

from moorage_kube.client.connection.credentials import Credentials, FixedCredentials, TokenFile
from moorage_kube.client.connection.endpoint import Connection
from moorage_kube.client.connection.errors import ConfigError
from moorage_kube.client.connection.kubeconfig import from_kubeconfig

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def load_connection(
    kubeconfig: str | None = None, service_account: Path = SERVICE_ACCOUNT
) -> Connection:
    """The connection described in the first of these places.

    The file ``kubeconfig``; the files of ``$KUBECONFIG``, of which missing ones are passed over;
    the pod's ServiceAccount; ``~/.kube/config``. Certificates and commands are checked too.
    Raises :class:`ConfigError` where none is there, or the first one that is cannot work.
    """
    connection = _described(kubeconfig, service_account)
    connection.tls(_known(connection))
    return connection


def _described(kubeconfig: str | None, service_account: Path) -> Connection:
    if kubeconfig:
        return from_kubeconfig([Path(kubeconfig).expanduser()])
    listed = os.environ.get("KUBECONFIG", "")
    if listed:
        paths = [Path(path) for path in listed.split(os.pathsep) if path]
        there = [path for path in paths if path.exists()]
        if not there:
            raise ConfigError(f"KUBECONFIG {listed}: no such file: correct or unset it")
        return from_kubeconfig(there)
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _in_cluster(service_account)
    home = Path("~/.kube/config").expanduser()
    if home.exists():
        return from_kubeconfig([home])
    raise ConfigError(
        f"no way to the API server: this is no pod, KUBECONFIG is not set and {home} is not there: "
        "name a kubeconfig with --kubeconfig"
    )


def _in_cluster(folder: Path) -> Connection:
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        ca = (folder / "ca.crt").read_text()
        (folder / "token").read_text()
        namespace = (folder / "namespace").read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"ServiceAccount in {folder}: its token, ca.crt or namespace cannot be read: set "
            "automountServiceAccountToken to true or name a kubeconfig with --kubeconfig"
        ) from error
    return Connection(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        source=TokenFile(folder / "token"),
        origin=f"ServiceAccount in {folder}",
        ca=ca,
        namespace=namespace,
    )


def _known(connection: Connection) -> Credentials:
    """The credentials as far as they are known without asking anybody."""
    source = connection.source
    return source.credentials if isinstance(source, FixedCredentials) else Credentials()
