"""How the API server is told to ask about Services of ours; pure."""

from __future__ import annotations

from typing import Any

from moorage_endpoints import names
from moorage_endpoints.kinds import SERVICES

PATH = "/mutate-services"
TIMEOUT_SECONDS = 2


def service_webhook(namespace: str, service: str) -> dict[str, Any]:
    """The entry in a MutatingWebhookConfiguration.

    No Service ever waits for us: without an answer it is written as it is, and handed over later.
    """
    named = " || ".join(
        f"'{key}' in object.metadata.annotations" for key in names.NETWORKS_ANNOTATIONS
    )
    return {
        "name": "services.endpoints.moorage.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": namespace, "name": service, "path": PATH}},
        "rules": [
            {
                "apiGroups": [SERVICES.group],
                "apiVersions": [SERVICES.version],
                "operations": ["CREATE", "UPDATE"],
                "resources": [SERVICES.plural],
                "scope": "Namespaced",
            }
        ],
        "matchConditions": [
            {
                "name": "names-a-network",
                "expression": f"has(object.metadata.annotations) && ({named})",
            },
            {
                "name": "is-not-being-deleted",
                "expression": "oldObject == null || !has(oldObject.metadata.deletionTimestamp)",
            },
        ],
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "IfNeeded",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }
