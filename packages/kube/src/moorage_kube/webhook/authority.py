"""Our own certificate authority: what is due, and the new state; no I/O, time is an input."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_CERTIFICATES, CA_KEY = "ca.crt", "ca.key"
CERTIFICATE, KEY = "tls.crt", "tls.key"
SKEW = dt.timedelta(minutes=5)
"""Clocks of machines differ; a certificate from the future is refused."""
_DUE = 3
"""Renewed when less than this part of the lifetime is left: a third."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long certificates last; each is renewed when a third is left.

    Attributes:
        authority: of a certificate authority. Must be more than three times ``serving``, so that
            no serving certificate outlives the authority that signed it.
        overlap: a new authority is in the ``caBundle`` for so long before it signs anything.
    """

    authority: dt.timedelta = dt.timedelta(days=365)
    serving: dt.timedelta = dt.timedelta(days=60)
    overlap: dt.timedelta = dt.timedelta(minutes=10)

    def __post_init__(self) -> None:
        if self.authority <= 3 * self.serving or self.serving <= 3 * self.overlap:
            raise ValueError("an authority lasts over 3 serving certificates, each over 3 overlaps")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the Secret holds.

    Attributes:
        authorities: all that may have signed a certificate in use, the newest first.
        authority_key: of the newest one, PEM.
        certificate: the one that is served.
        key: of ``certificate``, PEM.
    """

    authorities: tuple[x509.Certificate, ...]
    authority_key: bytes = field(repr=False)
    certificate: x509.Certificate
    key: bytes = field(repr=False)

    @property
    def ca_bundle(self) -> bytes:
        """PEM of every authority, as ``caBundle`` has it."""
        return b"".join(map(_pem, self.authorities))

    @property
    def chain(self) -> bytes:
        """PEM of what is served."""
        return _pem(self.certificate)

    def files(self) -> dict[str, bytes]:
        """The content of the Secret, by key."""
        return {
            CA_CERTIFICATES: self.ca_bundle,
            CA_KEY: self.authority_key,
            CERTIFICATE: self.chain,
            KEY: self.key,
        }


def read(files: Mapping[str, bytes]) -> Bundle | None:
    """The content of a Secret; ``None`` where something is missing or does not fit."""
    try:
        bundle = Bundle(
            tuple(x509.load_pem_x509_certificates(files[CA_CERTIFICATES])),
            files[CA_KEY],
            x509.load_pem_x509_certificates(files[CERTIFICATE])[0],
            files[KEY],
        )
        fits = _fits(bundle.authority_key, bundle.authorities[0]) and _fits(
            bundle.key, bundle.certificate
        )
    except (KeyError, ValueError, TypeError):
        return None
    return bundle if fits else None


def renewed(
    bundle: Bundle | None,
    names: tuple[str, ...],
    now: dt.datetime,
    *,
    trusted_since: dt.datetime | None,
    lifetimes: Lifetimes,
) -> Bundle:
    """What should be in the Secret now: the same object where nothing is due.

    A new authority comes first, beside the old one; it signs only when it has been trusted for
    ``lifetimes.overlap``. An old authority stays until it ends, later than all it signed.

    ``names`` are the DNS names to be served, the first is the certificate's subject; ``None`` of
    ``trusted_since``: not every ``caBundle`` has exactly the authorities of ``bundle``.
    """
    if bundle is None or bundle.authorities[0].not_valid_after_utc <= now:
        return _begun(names, now, lifetimes)
    alive = tuple(one for one in bundle.authorities if one.not_valid_after_utc > now)
    if alive != bundle.authorities:
        bundle = replace(bundle, authorities=alive)
    newest = alive[0]
    if _due(newest, now, lifetimes.authority):
        certificate, key = _authority(names[0], now, lifetimes.authority)
        return replace(bundle, authorities=(certificate, *alive), authority_key=key)
    usable = _usable(bundle, names, now)
    settled = trusted_since is not None and trusted_since + lifetimes.overlap <= now
    if usable and not (settled and _due(bundle.certificate, now, lifetimes.serving)):
        return bundle
    return _signed(bundle, names, now, lifetimes)


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """The names under which a Service can be called, that of the API server first."""
    return (
        f"{service}.{namespace}.svc",
        f"{service}.{namespace}.svc.cluster.local",
        f"{service}.{namespace}",
        service,
    )


def _begun(names: tuple[str, ...], now: dt.datetime, lifetimes: Lifetimes) -> Bundle:
    certificate, key = _authority(names[0], now, lifetimes.authority)
    bundle = Bundle((certificate,), key, certificate, key)
    return _signed(bundle, names, now, lifetimes)


def _usable(bundle: Bundle, names: tuple[str, ...], now: dt.datetime) -> bool:
    certificate = bundle.certificate
    if certificate.not_valid_after_utc <= now or names != _names(certificate):
        return False
    return any(_issued(authority, certificate) for authority in bundle.authorities)


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.value.get_values_for_type(x509.DNSName))


def _due(certificate: x509.Certificate, now: dt.datetime, lifetime: dt.timedelta) -> bool:
    return certificate.not_valid_after_utc - now < lifetime / _DUE


def _fits(key: bytes, certificate: x509.Certificate) -> bool:
    return _key(key).public_key() == certificate.public_key()


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a key of another kind than ours")
    return key


def _authority(
    name: str, now: dt.datetime, lifetime: dt.timedelta
) -> tuple[x509.Certificate, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own: with two of one name a client might try the wrong one only.
    subject = _subject(f"{name} CA {now:%Y-%m-%dT%H:%M:%SZ}")
    certificate = (
        _builder(subject, subject, key.public_key(), (now, lifetime))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, _private_pem(key)


def _signed(
    bundle: Bundle, names: tuple[str, ...], now: dt.datetime, lifetimes: Lifetimes
) -> Bundle:
    """The same authorities with a new certificate of the newest."""
    authority, authority_key = bundle.authorities[0], _key(bundle.authority_key)
    key = ec.generate_private_key(ec.SECP256R1())
    left = authority.not_valid_after_utc - now
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    times = (now, min(lifetimes.serving, left))
    certificate = (
        _builder(_subject(names[0]), authority.subject, key.public_key(), times)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return replace(bundle, certificate=certificate, key=_private_pem(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    times: tuple[dt.datetime, dt.timedelta],
) -> x509.CertificateBuilder:
    now, lifetime = times
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _subject(name: str) -> x509.Name:
    # A common name has at most 64 characters, which names of Services may exceed.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
