"""How the API server is told to ask about net-attach-defs; pure."""

from __future__ import annotations

from typing import Any

from moorage_endpoints.kinds import NADS

PATH = "/validate-nads"
TIMEOUT_SECONDS = 2


def nad_webhook(namespace: str, service: str) -> dict[str, Any]:
    """The entry in a ValidatingWebhookConfiguration.

    Without an answer the write goes on: pods need their networks more than a check of the text.
    """
    return {
        "name": "nads.moorage.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": namespace, "name": service, "path": PATH}},
        "rules": [
            {
                "apiGroups": [NADS.group],
                "apiVersions": [NADS.version],
                "operations": ["CREATE", "UPDATE", "DELETE"],
                "resources": [NADS.plural],
                "scope": "Namespaced",
            }
        ],
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }
