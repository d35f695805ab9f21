"""The sets of values with which the chart is tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helm import Object

LABELS = {"team": "net"}

# A value other than the default for each one that is a list or a mapping, or has a form.
EXAMPLES: Mapping[str, Any] = {
    "imagePullSecrets": [{"name": "pull"}],
    "image.digest": "sha256:" + "a" * 64,
    "serviceAccount.annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/moorage"},
    "config.leaseDuration": 20,
    "clouds.azure.resourceGroups": ["nodes", "addresses"],
    "policies.settledTaints": ["example.com/address-pending"],
    "resources.requests": {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "64Mi"},
    "resources.limits": {"memory": "1Gi", "ephemeral-storage": "256Mi"},
    "podSecurityContext.seccompProfile.type": "Localhost",
    "securityContext.capabilities.drop": ["ALL", "NET_RAW"],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}
            ]
        }
    },
    "spreadOver": ["kubernetes.io/hostname", "topology.kubernetes.io/zone"],
    "podLabels": {"azure.workload.identity/use": "true"},
    "podAnnotations": {"example.com/note": "yes"},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraVolumes": [{"name": "extra", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    "networkPolicy.metricsFrom": [{"namespaceSelector": {"matchLabels": LABELS}}],
    "networkPolicy.egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
    "podMonitor.interval": "15s",
    "podMonitor.labels": LABELS,
    "serviceMonitor.interval": "15s",
    "serviceMonitor.labels": LABELS,
    "prometheusRule.labels": LABELS,
    "dashboard.labels": {"grafana_dashboard": "1", **LABELS},
    "dashboard.annotations": {"grafana_folder": "Network"},
}
# Without these the others would not be seen, or would not be what they should.
_ON = (
    "podMonitor.enabled",
    "serviceMonitor.enabled",
    "prometheusRule.enabled",
    "dashboard.enabled",
    "cleanUp.enabled",
    "cleanUp.deleteCrds",
)
_SECRETS = {f"clouds.{cloud}.existingSecret": "secret" for cloud in ("aws", "gcp", "azure")}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by path as Helm takes them."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return tree


def another(path: str, schema: Object) -> Any:
    """A value that is allowed and is not the default."""
    if path in EXAMPLES:
        return EXAMPLES[path]
    default = schema["default"]
    if "enum" in schema:
        return next(one for one in reversed(schema["enum"]) if one != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        return default + 1
    if isinstance(default, str):
        return "some"
    raise AssertionError(f"EXAMPLES has none for {path}")


EVERYTHING = nested(dict.fromkeys(_ON, True) | _SECRETS | dict(EXAMPLES))
"""All that core has, switched on and set to something."""
EVERYTHING["podSecurityContext"]["seccompProfile"] = {"type": "RuntimeDefault"}

OVERRIDES = {"nameOverride": "nic", "fullnameOverride": "full", "namespaceOverride": "elsewhere"}
LONG = "r" * 53

SETS: Mapping[str, dict[str, Any]] = {
    "defaults": {},
    "all-on": {"core": EVERYTHING},
    "all-off": {"core": {"enabled": False}, "crds": {"enabled": False}},
    "core-alone": {"crds": {"enabled": False}},
    "crds-alone": {"core": {"enabled": False}},
    "ha": {
        "core": {
            "replicas": 3,
            "priorityClassName": "system-cluster-critical",
            "config": {"leaseDuration": 30, "leaseRenewDeadline": 20},
        }
    },
    "minimal": {
        "core": {
            "replicas": 1,
            **{
                key: {"enabled": False}
                for key in ("policies", "networkPolicy", "podDisruptionBudget", "test")
            },
            "spreadOver": [],
        }
    },
    "any-user": {
        "core": {"podSecurityContext": dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))}
    },
    "all-evictions": {"core": {"policies": {"evictions": "All"}}},
    "names": {"core": {**OVERRIDES, **EVERYTHING}},
    "names-of-all": {"global": OVERRIDES, "core": EVERYTHING},
}
