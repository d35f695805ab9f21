"""The sets of values with which the chart is tried."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from helm import CHART, Object

SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text("utf-8"))
PARTS: Mapping[str, str] = {
    "core": "core",
    "machineIpam": "machine-ipam",
    "externalIp": "external-ip",
    "endpoints": "endpoints",
    "nodeAgent": "node-agent",
    "danm": "danm",
}
"""The folder of each controller's chart, by its key in the values."""
AGENT = "nodeAgent"
"""The one that runs on every node; of the others one replica leads."""
ELECTED = tuple(part for part in PARTS if part != AGENT)
CLEANED_UP = ("core", "machineIpam", "externalIp", "endpoints")
"""Those with a Job that cleans up."""
WITH_KINDS = tuple(part for part in PARTS if part not in ("core", "endpoints", "danm"))
"""Those off by default whose own kinds come with them."""
LABELS = {"team": "net"}

# A value other than the default for each one that is a list or a mapping, or has a form.
EXAMPLES: Mapping[str, Any] = {
    "imagePullSecrets": [{"name": "pull"}],
    "image.digest": "sha256:" + "a" * 64,
    "serviceAccount.annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/moorage"},
    "config.leaseDuration": 20,
    "config.allowProviders": "aws,gcp",
    "config.allowRegions": "eu-west-1,eu-west-3",
    "config.allowAddresses": "203.0.113.0/24",
    "config.allowNodes": "pool in (edge,voice)",
    "config.poolAliases": "installer.openshift.io/IPPool/default-0=lab",
    "config.prefixLength": 24,
    "config.fenceAnnotations": "example.com/fenced=true",
    "webhook.serviceAccount.annotations": {"example.com/note": "yes"},
    "webhook.resources.requests": {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "64Mi"},
    "webhook.resources.limits": {"memory": "1Gi", "ephemeral-storage": "256Mi"},
    "webhook.annotations": {"cert-manager.io/inject-ca-from": "moorage/webhook"},
    "hookConfig": {"ip-range-cidr": "192.168.101.64/28", "prefix": 23},
    "clouds.azure.resourceGroups": ["nodes", "addresses"],
    "policies.settledTaints": ["example.com/pending"],
    "resources.requests": {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "64Mi"},
    "resources.limits": {"memory": "1Gi", "ephemeral-storage": "256Mi"},
    "podSecurityContext.seccompProfile.type": "Localhost",
    "securityContext.capabilities.drop": ["ALL", "NET_RAW"],
    "securityContext.capabilities.add": ["NET_RAW", "NET_ADMIN"],
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
    "enabled",
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


def leaves(schema: Object, prefix: str = "") -> Iterator[tuple[str, Object]]:
    """Every value with a default, by its path."""
    for key, one in schema["properties"].items():
        if "default" in one:
            yield prefix + key, one
        else:
            yield from leaves(one, f"{prefix}{key}.") if "properties" in one else ()


VALUES: Mapping[str, Mapping[str, Object]] = {
    part: dict(leaves(SCHEMA["properties"][part])) for part in PARTS
}
"""Every value of each controller, by its path."""


def _everything(part: str) -> dict[str, Any]:
    given = dict.fromkeys(_ON, True) | _SECRETS | dict(EXAMPLES)
    values = nested({path: one for path, one in given.items() if path in VALUES[part]})
    values["podSecurityContext"]["seccompProfile"] = {"type": "RuntimeDefault"}
    return values


EVERYTHING: Mapping[str, dict[str, Any]] = {part: _everything(part) for part in PARTS}
"""All that a controller has, switched on and set to something."""


def only(part: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One controller and no other, with these values."""
    off: dict[str, Any] = {one: {"enabled": False} for one in PARTS}
    return off | {part: {"enabled": True, **(values or {})}}


def replicas_of(part: str) -> dict[str, Any]:
    """All that a controller has, but for an admission service in pods of its own."""
    values = EVERYTHING[part]
    return values | {"webhook": {"enabled": False}} if part == "danm" else values


OVERRIDES = {"nameOverride": "nic", "fullnameOverride": "full", "namespaceOverride": "elsewhere"}
LONG = "r" * 53

_SMALLEST = {
    "replicas": 1,
    **{
        key: {"enabled": False}
        for key in ("policies", "networkPolicy", "podDisruptionBudget", "test")
    },
    "spreadOver": [],
}

SETS: Mapping[str, dict[str, Any]] = {
    "defaults": {},
    "all-on": {**EVERYTHING},
    "all-off": {"core": {"enabled": False}, "crds": {"enabled": False}},
    "core-alone": {"crds": {"enabled": False}},
    "crds-alone": {"core": {"enabled": False}},
    "all-crds-alone": {
        "core": {"enabled": False},
        "crds": dict.fromkeys(WITH_KINDS, True),
    },
    "machine-ipam": only("machineIpam"),
    "machines-of-others": only("machineIpam", {"installIpamCrds": True}),
    "external-ip": only("externalIp"),
    "endpoints": only("endpoints"),
    "endpoints-that-resurrect": only(
        "endpoints", {"config": {"protectNads": "resurrect", "webhookNads": True}}
    ),
    "endpoints-that-read-templates": only("endpoints", {"config": {"protectTemplates": True}}),
    "node-agent": only("nodeAgent"),
    "agents-of-elsewhere": {
        **only("externalIp", {"config": {"agentNamespace": "kube-public"}}),
        "nodeAgent": {"enabled": True, "namespaceOverride": "kube-public"},
    },
    "danm": only("danm"),
    "danm-alone": only("danm", {"webhook": {"enabled": False}}),
    "danm-sync": only("danm", {"webhook": {"config": {"mode": "sync"}}}),
    "ha": {
        "core": {
            "replicas": 3,
            "priorityClassName": "system-cluster-critical",
            "config": {"leaseDuration": 30, "leaseRenewDeadline": 20},
        }
    },
    "minimal": {"core": _SMALLEST, "machineIpam": {"enabled": True, **_SMALLEST}},
    "any-user": {
        "core": {"podSecurityContext": dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))}
    },
    "all-evictions": {"core": {"policies": {"evictions": "All"}}},
    "names": {"core": {**OVERRIDES, **EVERYTHING["core"]}},
    "names-of-all": {"global": OVERRIDES, **EVERYTHING},
}
