"""Kubeconfig: its current context as a connection."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field

from moorage_kube.client.connection.credentials import (
    CertificateFiles,
    Credentials,
    CredentialSource,
    FixedCredentials,
    TokenFile,
)
from moorage_kube.client.connection.endpoint import Connection
from moorage_kube.client.connection.exec_plugin import ExecPlugin, ExecSettings
from moorage_kube.client.connection.files import Entry, Kubeconfig
from moorage_kube.client.connection.oidc import OidcSettings, OidcTokens
from moorage_kube.client.connection.pem import Pem, text_of

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_IMPERSONATION = "this would be somebody else: give that identity's own credentials"
_REFUSED_USER_FIELDS = {
    "as": _IMPERSONATION,
    "as-uid": _IMPERSONATION,
    "as-groups": _IMPERSONATION,
    "as-user-extra": _IMPERSONATION,
}


class _Dashed(BaseModel):
    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: name.replace("_", "-"))
    )


class _Context(_Dashed):
    cluster: str
    user: str = ""
    namespace: str = ""


class _Cluster(_Dashed):
    server: str
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    extensions: list[dict[str, Any]] = []


class _Variable(BaseModel):
    name: str
    value: str = ""


class _Exec(BaseModel):
    api_version: str = Field(validation_alias="apiVersion")
    command: str
    args: list[str] = []
    env: list[_Variable] = []
    install_hint: str = Field("", validation_alias="installHint")
    interactive_mode: str = Field("", validation_alias="interactiveMode")
    provide_cluster_info: bool = Field(default=False, validation_alias="provideClusterInfo")


class _Oidc(_Dashed):
    idp_issuer_url: str
    client_id: str
    client_secret: str = ""
    id_token: str = ""
    refresh_token: str = ""
    idp_certificate_authority: str = ""
    idp_certificate_authority_data: str = ""


class _AuthProvider(BaseModel):
    name: str
    config: dict[str, Any] = {}


class _User(_Dashed):
    token: str = ""
    token_file: str = Field("", validation_alias="tokenFile")
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    username: str = ""
    password: str = ""
    exec: _Exec | None = None
    auth_provider: _AuthProvider | None = None


def from_kubeconfig(paths: Iterable[Path]) -> Connection:
    """The connection that the current context of these files describes.

    Raises :class:`ConfigError` where it cannot work, or needs what is not supported here.
    """
    config = Kubeconfig(paths)
    context_entry = config.find("context", config.current_context, "current-context")
    context = context_entry.checked(_Context)
    mention = f'context "{context_entry.name}": {{}}'
    cluster_entry = config.find("cluster", context.cluster, mention.format("cluster"))
    cluster = cluster_entry.checked(_Cluster)
    ca = _authority(cluster_entry, cluster)
    source: CredentialSource = FixedCredentials(Credentials())
    if context.user:
        user_entry = config.find("user", context.user, mention.format("user"))
        source = _source(user_entry, _plugin_cluster(cluster, ca))
    return Connection(
        server=_server(cluster_entry, cluster),
        source=source,
        origin=f"kubeconfig {config.names}",
        ca=ca,
        insecure=cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name or None,
        proxy=_proxy(cluster_entry, cluster),
        namespace=context.namespace or None,
    )


def _server(entry: Entry, cluster: _Cluster) -> str:
    parts = urlsplit(cluster.server)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        entry.refuse(f'server "{cluster.server}" is no URL: write it like https://host:6443')
    return cluster.server.rstrip("/")


def _proxy(entry: Entry, cluster: _Cluster) -> str | None:
    scheme = urlsplit(cluster.proxy_url).scheme
    if cluster.proxy_url and scheme not in ("http", "https"):
        entry.refuse(f'proxy-url is of scheme "{scheme}": use a proxy of http or https')
    return cluster.proxy_url or None


def _authority(entry: Entry, cluster: _Cluster) -> Pem | None:
    ca = entry.pem(
        "certificate-authority", cluster.certificate_authority_data, cluster.certificate_authority
    )
    if ca and cluster.insecure_skip_tls_verify:
        entry.refuse("insecure-skip-tls-verify is true beside a certificate-authority: drop one")
    return ca


def _plugin_cluster(cluster: _Cluster, ca: Pem | None) -> dict[str, Any]:
    """What a plug-in that asks for it receives about the cluster."""
    stated: dict[str, Any] = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": b64encode(text_of(ca).encode()).decode() if ca else "",
        "proxy-url": cluster.proxy_url,
    }
    for extension in cluster.extensions:
        if extension.get("name") == _EXEC_EXTENSION:
            stated["config"] = extension.get("extension")
    return {name: value for name, value in stated.items() if value}


def _source(entry: Entry, plugin_cluster: dict[str, Any]) -> CredentialSource:
    for field, way_out in _REFUSED_USER_FIELDS.items():
        if entry.values.get(field):
            entry.refuse(f"{field} is not supported: {way_out}")
    user = entry.checked(_User)
    if user.exec is not None:
        return ExecPlugin(_exec(entry, user.exec, plugin_cluster))
    if user.auth_provider is not None:
        return OidcTokens(_oidc(entry, user.auth_provider))
    return _with_certificate(entry, user, _token_or_name(entry, user))


def _token_or_name(entry: Entry, user: _User) -> CredentialSource:
    if not user.token_file:
        return FixedCredentials(
            Credentials(user.token or None, user.username or None, user.password or None)
        )
    path = entry.file.parent / user.token_file
    if not path.is_file():
        entry.refuse(f"tokenFile {user.token_file} is no file: correct it")
    return TokenFile(path)


def _with_certificate(entry: Entry, user: _User, base: CredentialSource) -> CredentialSource:
    certificate = entry.pem(
        "client-certificate", user.client_certificate_data, user.client_certificate
    )
    key = entry.pem("client-key", user.client_key_data, user.client_key)
    if certificate is None and key is None:
        return base
    if certificate is None or key is None:
        present, absent = ("client-certificate", "client-key")[:: 1 if certificate else -1]
        entry.refuse(f"{present} comes without a {absent}: give both")
    return CertificateFiles(base, certificate, key)


def _oidc(entry: Entry, stated: _AuthProvider) -> OidcSettings:
    if stated.name != "oidc":
        entry.refuse(
            f'auth-provider "{stated.name}" is not supported: '
            "Kubernetes dropped it with 1.26: use exec"
        )
    fields = Entry(entry.file, entry.section, entry.name, stated.config)
    config = fields.checked(_Oidc)
    if not config.idp_issuer_url.startswith("https://"):
        entry.refuse("idp-issuer-url is no https URL: OIDC needs one")
    if not config.id_token and not config.refresh_token:
        entry.refuse("auth-provider has neither id-token nor refresh-token: log in first")
    return OidcSettings(
        issuer=config.idp_issuer_url,
        client_id=config.client_id,
        client_secret=config.client_secret,
        id_token=config.id_token,
        refresh_token=config.refresh_token,
        authority=entry.pem(
            "idp-certificate-authority",
            config.idp_certificate_authority_data,
            config.idp_certificate_authority,
        ),
    )


def _exec(entry: Entry, stated: _Exec, cluster: dict[str, Any]) -> ExecSettings:
    if stated.api_version not in _EXEC_VERSIONS:
        choice = " or ".join(_EXEC_VERSIONS)
        entry.refuse(f'exec.apiVersion "{stated.api_version}" is not supported: use {choice}')
    if stated.interactive_mode == "Always":
        entry.refuse("exec.interactiveMode is Always, but nobody is here to answer: use Never")
    # As in kubectl: what has a slash starts at the kubeconfig's folder, all else is in PATH.
    nested = "/" in stated.command
    command = shutil.which(str(entry.file.parent / stated.command) if nested else stated.command)
    if command is None:
        hint = " ".join(stated.install_hint.split()) or "install it or correct its path"
        entry.refuse(f'exec.command "{stated.command}" is not there: {hint}')
    return ExecSettings(
        api_version=stated.api_version,
        command=command,
        arguments=tuple(stated.args),
        environment={variable.name: variable.value for variable in stated.env},
        cluster=cluster if stated.provide_cluster_info else None,
    )
