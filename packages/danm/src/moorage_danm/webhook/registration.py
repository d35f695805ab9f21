"""How the API server is told to ask about pods and their templates; pure."""

from __future__ import annotations

from typing import Any

from moorage_danm.kinds import ANNOTATIONS

Raw = dict[str, Any]

PATH = "/validate"
FIRST_PATH = "/mutate"
"""Of the first version, so that a configuration that names it goes on working."""
TIMEOUT_SECONDS = 2
SYNC_TIMEOUT_SECONDS = 5
_TEMPLATES = {
    "apps": ["daemonsets", "deployments", "replicasets", "statefulsets"],
    "batch": ["cronjobs", "jobs"],
}


def validating_webhooks(
    namespace: str, service: str, *, sync: bool = False
) -> list[dict[str, Any]]:
    """The entries in a ValidatingWebhookConfiguration.

    Without an answer everything goes on as if nobody had been asked: no pod waits for us for more
    than the timeout. Pods without the annotation never reach us.
    """
    common = {
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": namespace, "name": service, "path": PATH}},
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": ["kube-system", "kube-public", namespace],
                }
            ]
        },
    }
    pods = common | {
        "name": "pods.danm.moorage.dev",
        "rules": [_rule("", ["pods"], ["CREATE"])],
        "matchConditions": [_condition("object")],
        # A demand is written; a dry run writes none.
        "sideEffects": "NoneOnDryRun" if sync else "None",
        "timeoutSeconds": SYNC_TIMEOUT_SECONDS if sync else TIMEOUT_SECONDS,
    }
    workloads = common | {
        "name": "workloads.danm.moorage.dev",
        "rules": [
            _rule(group, resources, ["CREATE", "UPDATE"]) for group, resources in _TEMPLATES.items()
        ],
        "matchConditions": [
            _condition(
                "(object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template"
                " : object.spec.template)"
            )
        ],
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }
    return [pods, workloads]


def _rule(group: str, resources: list[str], operations: list[str]) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": operations,
        "resources": resources,
        "scope": "Namespaced",
    }


def _condition(described: str) -> dict[str, str]:
    named = " || ".join(f"key.contains('{one}')" for one in ANNOTATIONS)
    return {
        "name": "asks-for-networks-of-danm",
        "expression": f"{described}.?metadata.?annotations.orValue({{}}).exists(key, {named})",
    }
