"""What is kept of a Service: which networks and pods it asks for, and how it is served."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_domain.families import Family
from moorage_domain.label_selectors import InvalidSelector, Selector
from moorage_domain.owners import controller_uid
from moorage_domain.subject import Subject
from moorage_endpoints import names
from moorage_endpoints.modes import Mode
from moorage_endpoints.networks.selection import Problems, Selection, parse_selections

_FAMILIES = {"IPv4": Family.IPV4, "IPv6": Family.IPV6}
_COPIED = (
    "ipFamilies", "ipFamilyPolicy", "publishNotReadyAddresses", "sessionAffinity",
    "sessionAffinityConfig", "trafficDistribution",
)  # fmt: skip
_READ = (
    *names.NETWORKS_ANNOTATIONS, names.SELECTOR, names.MODE, names.REMEMBERED, names.COMPANION_OF,
    names.ADDRESSES, names.COMPANION_ADDRESS,
)  # fmt: skip
_COPIED_OF_PORTS = ("name", "protocol", "port", "targetPort", "appProtocol")


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port; ``target`` is a number, or the name of a port of the pods."""

    name: str
    protocol: str
    port: int
    target: int | str
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the annotations of a Service ask for.

    Attributes:
        networks: ``None`` = it names none, and is not ours.
        problem: what cannot be read in them, and how to write it; ``""`` = all can.
        mode: ``None`` = the default one.
        selector: pods, where the Service has no selector of its own; ``None`` = none are named.
        remembered: the selector that was taken out of its spec; ``None`` = it was not.
        companion_of: the name of the Service that this one was made for.
        first_only: one address of each family of a pod, and not all.
        companion_headless: its companion has no cluster address.
    """

    networks: tuple[Selection, ...] | None = None
    problem: str = ""
    mode: Mode | None = None
    selector: Selector | None = None
    remembered: Mapping[str, str] | None = None
    companion_of: str = ""
    first_only: bool = False
    companion_headless: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """One Service.

    Attributes:
        annotations: those that say what it asks for.
        selector: spec.selector; ``{}`` = it has none.
        families: of its spec, the first one first; ``()`` = it does not say.
        traffic: its trafficDistribution.
        owner: uid of its controller.
        copied: the fields of its spec that a companion has, too.
    """

    subject: Subject
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    wish: Wish
    type: str
    selector: Mapping[str, str]
    families: tuple[Family, ...]
    ports: tuple[ServicePort, ...]
    headless: bool
    publish_not_ready: bool
    traffic: str
    owner: str
    copied: Mapping[str, Any]

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.subject.name}"

    @property
    def namespace(self) -> str:
        """Where it and its pods are."""
        return self.subject.namespace or ""

    @property
    def pods(self) -> Selector | None:
        """Which pods it means; ``None`` = it names none."""
        # An empty selector means no pod, and never every one.
        labels = self.selector or self.wish.remembered
        return Selector.of_labels(labels) if labels else self.wish.selector

    @property
    def dns_name(self) -> str:
        """The subdomain of pods that have a name of their own in it."""
        return self.wish.companion_of or self.subject.name

    @property
    def concerns_us(self) -> bool:
        """Whether there may be something to do for it; else nothing is kept of it but that."""
        wish = self.wish
        return wish.networks is not None or bool(wish.problem) or wish.remembered is not None


def service_of(raw: Mapping[str, Any]) -> Service:
    """From a Service."""
    meta, spec = raw["metadata"], raw.get("spec") or {}
    annotations = meta.get("annotations") or {}
    return Service(
        subject=Subject.of({**raw, "status": {}}),
        labels=meta.get("labels") or {},
        annotations={key: annotations[key] for key in _READ if key in annotations},
        wish=wish_of(annotations, meta.get("namespace") or ""),
        type=spec.get("type") or "ClusterIP",
        selector=spec.get("selector") or {},
        families=tuple(_FAMILIES[one] for one in spec.get("ipFamilies") or ()),
        ports=tuple(map(_port, spec.get("ports") or ())),
        headless=spec.get("clusterIP") == "None",
        publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
        traffic=spec.get("trafficDistribution") or "",
        owner=controller_uid({"metadata": meta}),
        copied=_copied(spec),
    )


def wish_of(annotations: Mapping[str, str], namespace: str) -> Wish:
    """What the annotations of a Service ask for."""
    key = next((one for one in names.NETWORKS_ANNOTATIONS if one in annotations), "")
    problems: list[str] = []
    networks = parse_selections(annotations[key], namespace) if key else None
    if isinstance(networks, Problems):
        problems.append(f"annotation {key}: {networks}")
        networks = None
    remembered, selector = _remembered(annotations, problems), _selector(annotations, problems)
    mode = _mode(annotations, problems) if key else None
    headless = not key or _companion_headless(annotations, problems)
    return Wish(
        networks=networks,
        # Of a Service that names no network only what it remembers is of interest.
        problem="; ".join(problems) if key or names.REMEMBERED in annotations else "",
        mode=mode,
        selector=selector,
        remembered=remembered,
        companion_of=annotations.get(names.COMPANION_OF, ""),
        first_only=annotations.get(names.ADDRESSES) == "first",
        companion_headless=headless,
    )


def _mode(annotations: Mapping[str, str], problems: list[str]) -> Mode | None:
    text = annotations.get(names.MODE)
    if text is None:
        return None
    try:
        return Mode(text)
    except ValueError:
        known = ", ".join(one.value for one in Mode)
        problems.append(f'annotation {names.MODE}: "{text}" is no mode; write one of {known}')
        return None


def _companion_headless(annotations: Mapping[str, str], problems: list[str]) -> bool:
    text = annotations.get(names.COMPANION_ADDRESS, "none")
    if text not in ("none", "cluster"):
        problems.append(
            f'annotation {names.COMPANION_ADDRESS}: "{text}" is neither; write none or cluster'
        )
    return text != "cluster"


def _selector(annotations: Mapping[str, str], problems: list[str]) -> Selector | None:
    text = annotations.get(names.SELECTOR, "").strip()
    try:
        return Selector.parse(text) if text else None
    except InvalidSelector as error:
        problems.append(f"annotation {names.SELECTOR}: {error}")
        return None


def _remembered(annotations: Mapping[str, str], problems: list[str]) -> Mapping[str, str] | None:
    text = annotations.get(names.REMEMBERED)
    if text is None:
        return None
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict) or not all(isinstance(one, str) for one in parsed.values()):
        problems.append(
            f'annotation {names.REMEMBERED}: "{text}" is no JSON object of labels; give the Service'
            " its selector again, and take this annotation off"
        )
        return None
    return parsed


def _port(raw: Mapping[str, Any]) -> ServicePort:
    target = raw.get("targetPort")
    return ServicePort(
        name=raw.get("name") or "",
        protocol=raw.get("protocol") or "TCP",
        port=raw["port"],
        # 0 and "" are what old clients send for a field that is not set.
        target=target or raw["port"],
        app_protocol=raw.get("appProtocol") or "",
    )


def _copied(spec: Mapping[str, Any]) -> dict[str, Any]:
    ports = [
        {key: port[key] for key in _COPIED_OF_PORTS if key in port}
        for port in spec.get("ports") or ()
    ]
    return {key: spec[key] for key in _COPIED if key in spec} | {"ports": ports}
