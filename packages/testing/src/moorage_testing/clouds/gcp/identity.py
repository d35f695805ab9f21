"""A service account's key, generated for each emulator: nothing else accepts it."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# Not Google's own domain: for that one google-auth asks a Google server where the credentials may
# be used.
UNIVERSE = "universe.example"
_BITS = 2048


def service_account(project: str) -> dict[str, str]:
    """The contents of a key file; its holder signs tokens itself."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "0123456789abcdef",
        "private_key": pem.decode(),
        "client_email": f"moorage@{project}.iam.gserviceaccount.com",
        "client_id": "100000000000000000001",
        "universe_domain": UNIVERSE,
        # Nothing listens there.
        "token_uri": "http://127.0.0.1:9/token",
    }
