"""The migration pages list every name of the other project, and name nothing that we lack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage_api.crds import crd
from moorage_core import reasons
from moorage_core.decide import node_labels as marks
from moorage_core.decide.conditions import rejected
from moorage_core.metrics import VERSION_VARIABLE
from moorage_core.model import Phase
from moorage_core.projections import FINALIZER, FORCE_ANNOTATION
from moorage_danm import names as danm_names
from moorage_danm.webhook import first_version
from moorage_domain.subject import DRY_RUN_ANNOTATION
from moorage_endpoints import names as endpoints
from moorage_endpoints.nads import names as nads
from moorage_external_ip.placement.leases import AGENT_LABEL
from moorage_external_ip.service import wish
from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.manager.settings import CommonSettings, environment_names
from moorage_kube.reconcile.dry_run import CONDITION as DRY_RUN_CONDITION
from moorage_machine_ipam import projections as ipam
from moorage_testing.prometheus import alerts

from .files import ROOT, code_spans
from .names import fields, is_value
from .parts import PARTS
from .test_first_version import ALERTS, FIELDS, METRICS, VARIABLES

FOLDER = ROOT / "docs" / "migration"
PAGES = sorted(FOLDER.glob("*.md"))

# The public names of each, from its own source and README.
OLD = {
    "from-ip-address-controller.md": {
        *(path for path, _, _ in FIELDS if not path.endswith("[]")),
        *(name for name, _, _ in (*METRICS, *ALERTS)),
        *(name for name, _, _, _ in VARIABLES),
        "strategy", "cloud.credentials", "ip.ready", "controller-leader", "CONTROLLER_VERSION",
        "LEASE_SKEW_GRACE_SEC", "GOOGLE_APPLICATION_CREDENTIALS",
        "netipallocation_gcp_api_duration_seconds",
    },
    "from-kubeip.md": {
        "--filter", "--ipv6", "--kubeconfig", "--node-name", "--order-by", "--project", "--region",
        "--release-on-exit", "--taint-key", "--retry-attempts", "--retry-interval",
        "--lease-duration", "--lease-namespace", "--develop-mode", "--json", "--log-level",
        "FILTER", "IPV6", "KUBECONFIG", "NODE_NAME", "ORDER_BY", "PROJECT", "REGION",
        "RELEASE_ON_EXIT", "TAINT_KEY", "RETRY_ATTEMPTS", "RETRY_INTERVAL", "LEASE_DURATION",
        "LEASE_NAMESPACE", "DEV_MODE", "LOG_JSON", "LOG_LEVEL", "OCI_CONFIG_FILE",
    },
    "from-k8s-eip-operator.md": {
        "spec.podName", "spec.selector.pod.podName", "spec.selector.node.selector",
        "status.allocationId", "status.publicIpAddress", "status.eni", "status.privateIpAddress",
        "status.resourceId", "status.associationId",
        "CLUSTER_NAME", "NAMESPACE", "DEFAULT_TAGS", "AWS_ENDPOINT_URL", "OPENTELEMETRY_ENDPOINT",
        "OPENTELEMETRY_HEADERS", "OPENTELEMETRY_TOPLEVEL_FIELDS", "OPENTELEMETRY_LEVEL_TARGETS",
        "OPENTELEMETRY_SAMPLE_RATE", "external-dns.alpha.kubernetes.io/target",
        *(f"eip.materialize.cloud/{name}" for name in (
            "manage", "autocreate_eip", "allocation_id", "destroy", "disassociate",
            "disassociate_node", "cluster_name", "eip_uid", "eip_name", "namespace", "pod_name",
            "node_selector",
        )),
    },
    "from-machine-ipam-controller.md": {
        "spec.address-cidr", "spec.prefix", "spec.gateway", "spec.nameserver",
        "ip-range-cidr", "prefix", "nameserver", "default-gateway", "lifecycle-hook",
        "ipv4-range-cidr", "ipv6-range-cidr", "ipv4-prefix", "ipv6-prefix", "ipv4-gateway",
        "ipv6-gateway", "KUBECONFIG", "mapi-static-ip-controller", "machine-ipam-controllers",
        "ADDRESS_CIDR", "PREFIX", "GATEWAY", "THIRD_OCTET",
    },
    "from-danm-static-ip-controller.md": {
        "/mutate", "/status.html", "NotReady", "danm.k8s.io/interfaces", "kube-system",
        "kube-public",
        *(f"--{name}" for name in first_version.FLAGS),
    },
    "from-external-ip-controller.md": {
        "spec.cidr", "spec.ranges", "spec.allocated", "spec.nodeName", "spec.link", "Revision",
        "ipnode", "ip-pool-name", "ServiceReference", "external-ip: auto", "spec.externalIPs",
        "type: LoadBalancer", "scheduler", "claimcontroller", "naivecontroller", "HOST_INTERFACE",
        "ipclaim-scheduler", "ipcontroller=", "replicaCount", "image.repository",
        "scheduler.network_mask", "controller.interface", "ippool.cidr", "ippool.ranges",
        *(f"--{name}" for name in (
            "iface", "mask", "nodefilter", "hostname", "kubeconfig", "monitor", "hb", "resync",
            "logtostderr", "v", "leader-elect", "leader-elect-lease-duration",
            "leader-elect-renew-deadline", "leader-elect-retry-period",
        )),
    },
    "from-net-attach-def-controller.md": {
        "k8s.v1.cni.cncf.io/networks", "k8s.v1.cni.cncf.io/networks-status", "--master",
        "--kubeconfig", "--logtostderr", "kube-net-attach-def-controller",
        "secondary-endpoints-controller", "Updated to use network",
        "multiple network selections in the service spec are not supported", "/validate",
        "/isolate", "-ignore-namespaces", "network_attachment_definition_instances",
        "network_attachment_definition_enabled_instance_up",
    },
}  # fmt: skip
# Of the part that takes over; all others are the core's.
TAKES_OVER = {
    "from-machine-ipam-controller.md": "machine-ipam",
    "from-external-ip-controller.md": "external-ip",
    "from-net-attach-def-controller.md": "endpoints",
    "from-danm-static-ip-controller.md": "danm",
}

# Kubernetes' own names, and those of the two other projects' objects.
OTHERS = {
    "spec.providerID", "hostNetwork", "preCreate", "preProvision", "addressesFromPools",
    "IPAddressClaim", "IPAddress", "spec.externalIPs", "spec.podCIDRs", "namespaceSelector",
}  # fmt: skip

_FLAG = re.compile(r"--[a-z][a-z0-9-]*")
_FIELD = re.compile(r"[a-z]\w*(?:\[\])?(?:\.[a-z]\w*(?:\[\])?)*")
_CAMEL = re.compile(r"(?:[A-Z]+[a-z]+)+")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_SERIES = re.compile(
    r"(?:netipallocation|moorage_(?:core|machine_ipam|external_ip|node_agent|endpoints|danm))_\w+"
)
_OWN_NAME = re.compile(r"moorage\.dev/[\w-]*\w")


def rows(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The head and the cells of every row of every table that compares ``there`` with ``here``."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *body = [_cells(line) for line in table.splitlines()]
        if "there" in head:
            yield from ((head, cells) for cells in body)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def old_names(text: str) -> set[str]:
    """The names of the other project in the tables."""
    cells = (
        cell
        for head, body in rows(text)
        for name, cell in zip(head, body, strict=True)
        if name.endswith("there")
    )
    return {span for cell in cells for span in code_spans(cell)}


def promised(text: str) -> set[str]:
    """The names in backticks that a page presents as ours."""
    # A name may belong to both: then it is in our columns.
    ours = {
        span
        for head, body in rows(text)
        for name, cell in zip(head, body, strict=True)
        if not name.endswith("there")
        for span in code_spans(cell)
    }
    prose = set(code_spans(re.sub(r"^\|.*\n", "", text, flags=re.MULTILINE)))
    return (ours | (prose - old_names(text))) - OTHERS


def choices(schema: object) -> Iterator[str]:
    """Every value that a schema lists as allowed."""
    if isinstance(schema, dict):
        yield from schema.get("enum", ())
        for one in schema.values():
            yield from choices(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from choices(one)


def words() -> set[str]:
    """Every CamelCase word of ours: reasons, phases, conditions, choices."""
    conditions = {one.type for one in rejected(reasons.INVALID_SPEC, "")} | {DRY_RUN_CONDITION}
    rules = (ROOT / "dashboards" / part / "rules.yaml" for part in PARTS)
    alert_names = {alert.name for path in rules for alert in alerts(path)}
    reason_names = {one.name for part in PARTS.values() for one in part.reasons}
    kinds = [crd(kind) for part in PARTS.values() for kind in part.kinds]
    kind_names = {one.kind.name for part in PARTS.values() for one in part.kinds}
    return {
        *kind_names,
        "Revision",
        *reason_names,
        *Phase,
        *conditions,
        *choices(kinds),
        *alert_names,
    }


def settings() -> Iterator[type[CommonSettings]]:
    """Those of every process."""
    for part in PARTS.values():
        yield part.settings
        if part.webhook is not None:
            yield part.webhook


_OF_HELM = {"--force-conflicts"}


def flags() -> set[str]:
    names = (name for one in settings() for name in one.model_fields)
    return {"--" + name.replace("_", "-") for name in names} | _OF_HELM


def variables() -> set[str]:
    """Environment names that the controller reads, or that a provider's README describes."""
    readmes = " ".join(
        path.read_text("utf-8") for path in ROOT.glob("packages/provider-*/README.md")
    )
    names = (
        name
        for one in settings()
        for field, about in one.model_fields.items()
        for name in environment_names(field, about)
    )
    return {*names, VERSION_VARIABLE, *_VARIABLE.findall(readmes)}


def looks_like_a_field(span: str) -> bool:
    """``spec.x``, ``cloud.region`` and camelCase; other lower-case words are too common."""
    first = span.partition(".")[0]
    known = "." in span and (first in ("spec", "status") or first in fields())
    return bool(_FIELD.fullmatch(span)) and (known or bool(re.search(r"[a-z][A-Z]", span)))


def empty_promises(text: str) -> set[str]:
    """Flags, fields, words, variables, series and labels that a page names and that do not
    exist."""
    spans = promised(text)
    own = {
        DRY_RUN_ANNOTATION, FINALIZER, FORCE_ANNOTATION, marks.IP_LABEL, marks.OWNER_ANNOTATION,
        ipam.FINALIZER, ipam.POOL_FINALIZER, ipam.REQUEST_ANNOTATION, wish.SHARING_ANNOTATION,
        ExternalIpSettings.model_fields["load_balancer_class"].default, AGENT_LABEL,
        nads.FINALIZER, nads.ALLOW_DELETE, endpoints.NETWORKS, endpoints.MODE, endpoints.SELECTOR,
        danm_names.FINALIZER, danm_names.WANTED,
    }  # fmt: skip
    known_series = {one[0] for part in PARTS.values() for one in part.series()}
    return {
        *{s for s in spans if _FLAG.fullmatch(s)} - flags(),
        *{s for s in spans if looks_like_a_field(s) and not is_value(s)} - fields(),
        *{s for s in spans if _CAMEL.fullmatch(s)} - words(),
        *{s for s in spans if _VARIABLE.fullmatch(s)} - variables(),
        *{s for s in spans if _SERIES.fullmatch(s)} - known_series,
        *set(_OWN_NAME.findall(text)) - own,
    }


def test_there_is_a_page_for_each() -> None:
    assert {path.name for path in PAGES} == OLD.keys()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_name_that_people_used_has_a_row(path: Path) -> None:
    assert OLD[path.name] - old_names(path.read_text("utf-8")) == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_row_has_our_counterpart(path: Path) -> None:
    compared = list(rows(path.read_text("utf-8")))
    assert compared
    assert [cells for head, cells in compared if not cells[head.index("here")]] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_name_of_ours_exists(path: Path) -> None:
    assert empty_promises(path.read_text("utf-8")) == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_page_is_linked_from_the_readme_of_the_controller(path: Path) -> None:
    part = TAKES_OVER.get(path.name, "core")
    readme = (ROOT / "packages" / part / "README.md").read_text("utf-8")
    assert f"(../../docs/migration/{path.name})" in readme


@pytest.mark.parametrize(
    "wrong",
    ["--lease-times", "spec.reservedIps", "cloud.zone", "releasePolicies", "NodeGoner",
     "MOORAGE_DRY_RUNS", "netipallocation_ips", "moorage.dev/dry-runs"],
)  # fmt: skip
def test_a_missing_name_is_noticed(wrong: str) -> None:
    right = "`--lease-name`, `spec.reservedIPs`, `NodeGone`, `CLUSTER_NAME`, `moorage.dev/ip`"
    assert empty_promises(f"{right} and `{wrong}`.\n") == {wrong}
    assert empty_promises(f"| there | here |\n|---|---|\n| `x` | `{wrong}` |\n") == {wrong}


def test_a_missing_row_is_noticed() -> None:
    text = "| there | environment there | here |\n|---|---|---|\n| `--a` | `B_C` | `text` |\n"
    assert old_names(text) == {"--a", "B_C"}
    assert old_names("`--a` in prose is no row") == set()
