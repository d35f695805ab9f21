"""Redaction: texts of others, as people may see them; a credential in them is blotted out; pure."""

from __future__ import annotations

import re

_NAMES = (
    r"x-amz-security-token|x-amz-signature|signature|sig|access_?token|refresh_?token|id_?token"
    r"|session_?token|client_?secret|client_?assertion|assertion|password|secret_?(?:access_?)?key"
)
# HTTP clients put whole requests, headers included, into the repr of their errors, and the SDKs of
# clouds whole queries. What stands before a secret stays, so that people see what was there.
_CREDENTIALS = (
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"),
    # JSON Web Tokens, as ServiceAccounts and Azure have them, and tokens of Google.
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"),
    re.compile(r"(\bya29\.)[\w.-]{8,}"),
    # The password of a URL, as of a proxy.
    re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"),
    # In a query, a form, a header or a JSON object, which may stand quoted in another one.
    re.compile(
        rf"(?i)((?<![a-z])(?:aws_)?(?:{_NAMES})"
        r"""(?:\\?["'])?\s*[=:]\s*(?:\\?["'])?)[^\s"'\\&,;)}\]]{8,}"""
    ),
)

# aiohttp names the TLS context in the text of its errors, and that has no text of its own.
_TLS_CONTEXT = re.compile(
    r",?\s*\bssl[:=]<ssl\.SSLContext object at 0x[0-9a-f]+>|<ssl\.SSLContext object[^>]*>"
)


# A part of whatever the patterns above find. Nearly every line of a log has none of them, and
# looking for these takes a twentieth of the time that the patterns take.
_HINTS = (
    "bearer", "basic", "eyj", "ya29.", "://", "sig", "token", "secret", "assertion", "password",
    "sslcontext",
)  # fmt: skip


def redacted(text: str) -> str:
    """``text`` with tokens, passwords of URLs, signatures and secret keys as ``***``.

    What no person can read, the address of a TLS context in memory, is left out.
    """
    # Patterns that ignore case take some letters beyond ASCII for the same, and lower() does not.
    if text.isascii():
        lower = text.lower()
        if not any(hint in lower for hint in _HINTS):
            return text
    text = _TLS_CONTEXT.sub("", text)
    for pattern in _CREDENTIALS:
        text = pattern.sub(r"\1***", text)
    return text
