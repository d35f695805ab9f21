"""The migration pages list every name of the other project, and name nothing that we lack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage_api.crds import crd
from moorage_api.netipallocation import DEFINITION
from moorage_core import reasons
from moorage_core.decide import node_labels as marks
from moorage_core.decide.conditions import rejected
from moorage_core.metrics import VERSION_VARIABLE
from moorage_core.model import Phase
from moorage_core.projections import FINALIZER, FORCE_ANNOTATION
from moorage_core.settings import CoreSettings
from moorage_kube.manager.settings import environment_names
from moorage_kube.reconcile.dry_run import CONDITION as DRY_RUN_CONDITION
from moorage_kube.writes.subject import DRY_RUN_ANNOTATION
from moorage_testing.prometheus import alerts

from .files import ROOT, code_spans
from .names import fields, is_value
from .tables import series
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
}  # fmt: skip

# Kubernetes' own names, and those of the two other projects' objects.
OTHERS = {"spec.providerID", "hostNetwork"}

_FLAG = re.compile(r"--[a-z][a-z0-9-]*")
_FIELD = re.compile(r"[a-z]\w*(?:\[\])?(?:\.[a-z]\w*(?:\[\])?)*")
_CAMEL = re.compile(r"(?:[A-Z]+[a-z]+)+")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_SERIES = re.compile(r"(?:netipallocation|moorage_core)_\w+")
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
    alert_names = {alert.name for alert in alerts(ROOT / "dashboards" / "rules.yaml")}
    return {*reasons.ALL, *Phase, *conditions, *choices(crd(DEFINITION)), *alert_names}


def flags() -> set[str]:
    return {"--" + name.replace("_", "-") for name in CoreSettings.model_fields}


def variables() -> set[str]:
    """Environment names that the controller reads, or that a provider's README describes."""
    readmes = " ".join(
        path.read_text("utf-8") for path in ROOT.glob("packages/provider-*/README.md")
    )
    names = (
        name
        for field, about in CoreSettings.model_fields.items()
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
    }  # fmt: skip
    known_series = {name for name, _, _, _ in series()}
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
    readme = (ROOT / "packages" / "core" / "README.md").read_text("utf-8")
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
