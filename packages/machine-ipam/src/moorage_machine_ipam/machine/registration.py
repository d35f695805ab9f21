"""How the API server is told to ask about Machines that are about to be created; pure."""

from __future__ import annotations

from typing import Any

from moorage_machine_ipam.kinds import MACHINES

PATH = "/mutate-machines"
LABEL = "moorage.dev/static-addresses"
LABEL_VALUE = "true"
"""With that label a Machine gets its addresses as it is created, and is not created without."""
TIMEOUT_SECONDS = 10


def machine_webhook(namespace: str, service: str) -> dict[str, Any]:
    """The entry in a MutatingWebhookConfiguration.

    Without an answer no Machine with the label is created: it would come up with DHCP. All other
    Machines never wait for us.
    """
    return {
        "name": f"machines.{LABEL.partition('/')[0]}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": namespace, "name": service, "path": PATH}},
        "rules": [
            {
                "apiGroups": [MACHINES.group],
                "apiVersions": [MACHINES.version],
                "operations": ["CREATE"],
                "resources": [MACHINES.plural],
                "scope": "Namespaced",
            }
        ],
        "objectSelector": {"matchLabels": {LABEL: LABEL_VALUE}},
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        # Another webhook may change the devices afterwards.
        "reinvocationPolicy": "IfNeeded",
        # An address is reserved.
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }
