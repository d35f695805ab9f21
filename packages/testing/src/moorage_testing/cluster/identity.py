"""Certificates, keys and kubeconfigs of one embedded cluster."""

import base64
import datetime as dt
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=2)
# Clocks of containers and hosts differ by seconds; a certificate from the future is refused.
CLOCK_SKEW = dt.timedelta(minutes=5)
SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
LOOPBACK = ipaddress.IPv4Address("127.0.0.1")
FIRST_SERVICE_ADDRESS = ipaddress.IPv4Address("10.96.0.1")


@dataclass(frozen=True, slots=True)
class Authority:
    """The cluster's certificate authority, for the server's certificate and those of users.

    Made here rather than by kube-apiserver, whose self-made certificate lacks the key identifiers
    that newer Pythons demand (VERIFY_X509_STRICT).
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls) -> Self:
        """Return a new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("moorage-embedded-cluster", ())
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    def write(self, path: Path) -> Path:
        """Write the authority's certificate, which is no secret."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def server_pem(
        self,
        addresses: Iterable[ipaddress.IPv4Address] = (LOOPBACK, FIRST_SERVICE_ADDRESS),
        names: Sequence[str] = SERVER_NAMES,
    ) -> bytes:
        """Return key and certificate for a server, by default for the API server."""
        alternatives = x509.SubjectAlternativeName(
            [*map(x509.DNSName, names), *map(x509.IPAddress, addresses)]
        )
        return self._issue(_name(names[0], ()), ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def client_pem(self, user: str, groups: Sequence[str]) -> bytes:
        """Return key and certificate that the API server takes for this user in these groups."""
        return self._issue(_name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(
        self,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None,
    ) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(subject, self.certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(issuer, critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return _private_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a kubeconfig's user proves itself with: a token, or key and certificate."""

    token: str | None = None
    pem: bytes | None = None

    def user(self) -> Mapping[str, str]:
        """Return the `user` of a kubeconfig."""
        if self.token is not None:
            return {"token": self.token}
        data = base64.b64encode(self.pem or b"").decode()
        # One PEM holds both; each reader takes the block it looks for.
        return {"client-key-data": data, "client-certificate-data": data}


def write_service_account_key(folder: Path) -> tuple[Path, Path]:
    """Write the key pair that signs tokens of ServiceAccounts; return private, public."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "service-account.key", folder / "service-account.pub"
    write_secret(private, _private_pem(key))
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


def write_secret(path: Path, content: bytes) -> Path:
    """Write a file only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def kubeconfig_text(server: str, ca_file: Path, credential: Credential) -> str:
    """Return a self-contained kubeconfig.

    The server's name in its certificate is given apart, so that the server can also be reached
    through a forwarder on another address.
    """
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    cluster = {
        "server": server,
        "certificate-authority-data": authority,
        "tls-server-name": "localhost",
    }
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "embedded", "cluster": cluster}],
            "users": [{"name": "user", "user": dict(credential.user())}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "user"}}],
            "current-context": "embedded",
        }
    )


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
