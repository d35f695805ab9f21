"""Our own authority: renewed in time, with overlap, and never trusted by fewer than need it."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from webhook_lab import BEGIN

from moorage_kube.webhook.authority import (
    Bundle,
    Lifetimes,
    read,
    renewed,
    service_names,
)
from moorage_kube.webhook.certificates import Serving

NAMES = service_names("hooks", "moorage")
TIMES = Lifetimes(
    authority=dt.timedelta(days=90), serving=dt.timedelta(days=20), overlap=dt.timedelta(hours=1)
)
DAY = dt.timedelta(days=1)


def step(
    bundle: Bundle | None, now: dt.datetime, trusted_since: dt.datetime | None = BEGIN
) -> Bundle:
    return renewed(bundle, NAMES, now, trusted_since=trusted_since, lifetimes=TIMES)


def issuers(bundle: Bundle) -> list[int]:
    """Which of the authorities signed the certificate, by place."""
    found = []
    for place, authority in enumerate(bundle.authorities):
        try:
            bundle.certificate.verify_directly_issued_by(authority)
        except (ValueError, InvalidSignature):
            continue
        found.append(place)
    return found


def shakes_hands(bundle: Bundle, trusted: bytes) -> bool:
    """Whether a strict client that trusts these authorities takes what is served."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=trusted.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    client = context.wrap_bio(incoming, outgoing, server_hostname=NAMES[0])
    server = Serving.load(bundle.chain, bundle.key).context.wrap_bio(
        outgoing, incoming, server_side=True
    )
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return True


def test_the_first_one_is_taken_by_a_strict_client_under_every_name() -> None:
    bundle = step(None, BEGIN)
    assert shakes_hands(bundle, bundle.ca_bundle)
    assert len(bundle.authorities) == 1
    names = bundle.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == list(NAMES)
    assert "hooks.moorage.svc" in NAMES


def test_what_is_written_is_read_as_it_was() -> None:
    bundle = step(None, BEGIN)
    assert read(bundle.files()) == bundle
    assert set(bundle.files()) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}


def test_while_nothing_is_due_nothing_changes() -> None:
    bundle = step(None, BEGIN)
    for days in range(13):
        assert step(bundle, BEGIN + days * DAY) is bundle


def test_a_serving_certificate_is_renewed_when_a_third_is_left() -> None:
    bundle = step(None, BEGIN)
    later = step(bundle, BEGIN + 14 * DAY)
    assert later.certificate != bundle.certificate
    assert later.key != bundle.key
    assert later.authorities == bundle.authorities


def test_a_new_authority_signs_only_when_it_was_trusted_long_enough() -> None:
    old = step(step(None, BEGIN), BEGIN + 55 * DAY)
    changed = BEGIN + 61 * DAY
    both = step(old, changed)
    assert len(both.authorities) == 2
    assert both.authorities[1] == old.authorities[0]
    assert both.certificate == old.certificate
    assert issuers(both) == [1]
    due = BEGIN + 69 * DAY
    assert step(both, due, None) is both
    assert step(both, due, due - TIMES.overlap + dt.timedelta(seconds=1)) is both
    new = step(both, due, due - TIMES.overlap)
    assert issuers(new) == [0]
    assert new.authorities == both.authorities


def test_a_certificate_that_has_ended_is_replaced_whoever_trusts_it() -> None:
    bundle = step(None, BEGIN)
    later = step(bundle, BEGIN + 20 * DAY, None)
    assert later.certificate != bundle.certificate


def test_an_old_authority_goes_when_it_has_ended() -> None:
    bundle = step(None, BEGIN)
    both = step(bundle, BEGIN + 61 * DAY)
    now = BEGIN + 90 * DAY
    after = step(step(both, BEGIN + 75 * DAY), now)
    assert after.authorities == both.authorities[:1]


@pytest.mark.parametrize("broken", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_what_is_incomplete_is_not_read(broken: str, content: bytes | None) -> None:
    files = step(None, BEGIN).files()
    del files[broken]
    assert read(files if content is None else files | {broken: content}) is None


def test_keys_of_somebody_else_are_not_read() -> None:
    one, other = step(None, BEGIN).files(), step(None, BEGIN).files()
    for key in ("ca.key", "tls.key"):
        assert read(one | {key: other[key]}) is None


def test_another_service_gets_another_certificate_at_once() -> None:
    bundle = step(None, BEGIN)
    names = service_names("others", "moorage")
    new = renewed(bundle, names, BEGIN, trusted_since=None, lifetimes=TIMES)
    assert new.certificate != bundle.certificate
    assert new.authorities == bundle.authorities


def test_a_certificate_of_a_foreign_authority_is_replaced_at_once() -> None:
    bundle, other = step(None, BEGIN), step(None, BEGIN)
    mixed = replace(bundle, certificate=other.certificate, key=other.key)
    assert issuers(step(mixed, BEGIN, None)) == [0]


def test_a_service_may_have_a_long_name() -> None:
    names = service_names("a" * 63, "b" * 63)
    bundle = renewed(None, names, BEGIN, trusted_since=BEGIN, lifetimes=TIMES)
    assert renewed(bundle, names, BEGIN, trusted_since=BEGIN, lifetimes=TIMES) is bundle


@pytest.mark.parametrize(("authority", "serving"), [(60, 20), (20, 20)])
def test_lifetimes_that_could_break_trust_are_refused(authority: int, serving: int) -> None:
    with pytest.raises(ValueError, match="an authority lasts over"):
        Lifetimes(authority * DAY, serving * DAY)


class Installation:
    """API servers that learn of a new caBundle within the overlap, and replicas that act late."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.stored = step(None, BEGIN)
        self.published: list[tuple[dt.datetime, bytes]] = [(BEGIN, self.stored.ca_bundle)]

    def refresh(self, *, publishes: bool) -> None:
        """One refresh of one replica."""
        if publishes:
            self._publish()
        since, known = self.published[-1]
        trusted_since = since if known == self.stored.ca_bundle else None
        self.stored = step(self.stored, self.now, trusted_since)
        if publishes:
            self._publish()

    def known(self) -> bytes:
        """What an API server that is as slow as the overlap allows knows."""
        known = [bundle for at, bundle in self.published if at <= self.now - TIMES.overlap]
        return known[-1] if known else self.published[0][1]

    def _publish(self) -> None:
        if self.published[-1][1] != self.stored.ca_bundle:
            self.published.append((self.now, self.stored.ca_bundle))


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    refreshes=st.lists(
        st.tuples(st.integers(min_value=1, max_value=100), st.booleans()), min_size=30, max_size=60
    )
)
def test_no_api_server_ever_meets_a_certificate_it_does_not_trust(
    refreshes: list[tuple[int, bool]],
) -> None:
    """Hours pass between refreshes, some of which cannot write the caBundle."""
    installation = Installation()
    for hours, publishes in refreshes:
        installation.now += dt.timedelta(hours=hours)
        before = installation.stored
        installation.refresh(publishes=publishes)
        alive = before.certificate.not_valid_after_utc > installation.now
        if alive and installation.stored.certificate != before.certificate:
            signer = installation.stored.authorities[issuers(installation.stored)[0]]
            assert signer in x509.load_pem_x509_certificates(installation.known())
        assert installation.stored.certificate.not_valid_after_utc > installation.now
        assert issuers(installation.stored) != []
