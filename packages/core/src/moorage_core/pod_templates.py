"""What the spec of a pod, or of a workload's pods, says of the nodes that they may run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from moorage_core.decide.node_labels import IP_LABELS, LABELS, READY_LABELS
from moorage_domain.label_selectors import Operator, Requirement, Selector
from moorage_domain.scheduling import NodeTerm, PodPlacement, Toleration

_OPERATORS = {one.value: one for one in Operator}
# The DaemonSet controller adds them to its pods.
_OF_EVERY_DAEMON = tuple(
    Toleration(f"node.kubernetes.io/{name}", exists=True)
    for name in ("disk-pressure", "memory-pressure", "pid-pressure")
)


def placement_of(kind: str, spec: dict[str, Any]) -> PodPlacement:
    """From ``spec.template.spec`` of a workload; our own labels in it are left out."""
    # Our labels follow the address, so they say nothing of where it may be.
    selector = {k: v for k, v in (spec.get("nodeSelector") or {}).items() if k not in LABELS}
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    tolerations = tuple(map(_toleration, spec.get("tolerations") or ()))
    return PodPlacement(
        tolerations=tolerations + (_OF_EVERY_DAEMON if kind == "DaemonSet" else ()),
        selector=Selector.of_labels(selector),
        terms=tuple(map(_term, required.get("nodeSelectorTerms") or ())),
    )


def _toleration(raw: dict[str, Any]) -> Toleration:
    return Toleration(
        key=raw.get("key") or "",
        exists=raw.get("operator") == "Exists",
        value=raw.get("value") or "",
        effect=raw.get("effect") or "",
    )


def _term(raw: dict[str, Any]) -> NodeTerm:
    names = [
        frozenset(field.get("values") or ())
        for field in raw.get("matchFields") or ()
        if field.get("key") == "metadata.name" and field.get("operator") == "In"
    ]
    requirements = _requirements(raw.get("matchExpressions") or ())
    return NodeTerm(
        Selector(tuple(requirements)), frozenset.intersection(*names) if names else None
    )


def _requirements(expressions: Iterable[dict[str, Any]]) -> Iterator[Requirement]:
    """Those that are understood: what is not excludes no node."""
    for one in expressions:
        operator = _OPERATORS.get(one.get("operator", ""))
        if operator is not None and one.get("key") not in LABELS:
            yield Requirement(one["key"], operator, frozenset(one.get("values") or ()))


def asks_for_address(spec: dict[str, Any]) -> bool:
    """Whether the scheduler puts a pod only where our labels are; any other would come back."""
    selector = spec.get("nodeSelector") or {}
    by_selector = any(selector.get(key) == "true" for key in READY_LABELS)
    return by_selector or _names_one(spec) or _every_term(spec, _asks_for_label)


def asks_for_any(spec: dict[str, Any]) -> bool:
    """Whether any address will do for a pod that asks for one."""
    certain = _names_one(spec) or _every_term(spec, _asks_for_one)
    return asks_for_address(spec) and not certain


def _names_one(spec: dict[str, Any]) -> bool:
    return any(key in (spec.get("nodeSelector") or {}) for key in IP_LABELS)


def _every_term(spec: dict[str, Any], asks: Callable[[dict[str, Any]], bool]) -> bool:
    """Of the terms of a required affinity one is enough, so each must ask for it."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return bool(terms) and all(any(map(asks, term.get("matchExpressions") or ())) for term in terms)


def _asks_for_label(expression: dict[str, Any]) -> bool:
    key, operator, values = (expression.get(field) for field in ("key", "operator", "values"))
    if operator == "Exists":
        return key in LABELS
    ready = key in READY_LABELS and values == ["true"]
    return operator == "In" and (key in IP_LABELS or ready)


def _asks_for_one(expression: dict[str, Any]) -> bool:
    return expression.get("key") in IP_LABELS and expression.get("operator") == "In"
