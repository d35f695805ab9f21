"""No credential of any kind that we meet is shown, and what is none stays readable."""

from __future__ import annotations

import json

import pytest

from moorage_domain.redaction import redacted

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ.c2lnbmF0dXJl-_x"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105 - the one of AWS' own examples


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer ***"),
        ("basic dXNlcjpwYXNzd29yZA==", "basic ***"),
        (f"the token {JWT} has expired", "the token *** has expired"),
        ("ya29.a0AfH6SMBx-long_token.more is not valid", "ya29.*** is not valid"),
        (
            "proxy http://user:pa55word@proxy.example.com:3128 answers 407",
            "proxy http://user:***@proxy.example.com:3128 answers 407",
        ),
        (
            "GET https://ec2.example.com/?Action=A&X-Amz-Signature=0123456789abcdef&Version=1",
            "GET https://ec2.example.com/?Action=A&X-Amz-Signature=***&Version=1",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1, Signature=0123456789abcdef",
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1, Signature=***",
        ),
        (f"X-Amz-Security-Token: {SECRET}", "X-Amz-Security-Token: ***"),
        (f"aws_secret_access_key = {SECRET}", "aws_secret_access_key = ***"),
        (f'{{"SecretAccessKey": "{SECRET}"}}', '{"SecretAccessKey": "***"}'),
        (
            f"grant_type=client_credentials&client_secret={SECRET}&scope=x",
            "grant_type=client_credentials&client_secret=***&scope=x",
        ),
        ("sv=2024&sig=abcdefgh%2Fijkl%3D", "sv=2024&sig=***"),
    ],
)
def test_sec_10_a_credential_is_blotted_out(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


def test_sec_10_nor_is_it_shown_quoted_in_json_or_in_a_repr() -> None:
    inner = json.dumps({"access_token": SECRET})
    for text in (inner, json.dumps({"body": inner}), repr({"access_token": SECRET})):
        assert SECRET not in redacted(text)
        assert "access_token" in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7 moves from node n1 to node n2",
        "https://10.0.0.1:6443/api/v1/nodes?watch=true answers 500",
        "arn:aws:iam::123456789012:role/moorage is not allowed to ec2:AssociateAddress",
        "InvalidSignatureException: Signature expired: 20260101T000000Z is now earlier than 2026",
        "the design: significant words",
        "2001:db8::1:password",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert redacted(text) == text


def test_harm_19_a_tls_context_is_left_out_wherever_a_text_goes() -> None:
    context = "<ssl.SSLContext object at 0x7f3a517885f0>"
    text = f"Cannot connect to host a:443 ssl:{context} [refused]"
    assert redacted(text) == "Cannot connect to host a:443 [refused]"
    key = f"ConnectionKey(host='a', port=443, is_ssl=True, ssl={context}, proxy=None)"
    assert redacted(key) == "ConnectionKey(host='a', port=443, is_ssl=True, proxy=None)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BEARER abcdefgh0123", "BEARER ***"),
        ("Basic abcdefgh0123", "Basic ***"),
        ("eyJhbGciOiJSUzI1NiIs.eyJzdWIi.c2ln", "***"),
        ("ya29.a0AfH6SMBx", "ya29.***"),
        ("http://user:pa55@host", "http://user:***@host"),
        ("SIG=abcdefgh0123", "SIG=***"),
        ("Access_Token=abcdefgh0123", "Access_Token=***"),
        ("ClientSecret=abcdefgh0123", "ClientSecret=***"),
        ("Assertion=abcdefgh0123", "Assertion=***"),
        ("PASSWORD=abcdefgh0123", "PASSWORD=***"),
        ("to a ssl:<ssl.SSLContext object at 0x7f3a517885f0>", "to a"),
    ],
)
def test_one_credential_alone_in_a_line_is_enough(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_name_in_letters_that_only_look_alike_is_found() -> None:
    assert redacted("pa\u017f\u017fword=abcdefgh0123") == "pa\u017f\u017fword=***"
