"""Helm of one version: what a chart renders, and releases on a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from moorage_testing.helm import Helm as Installer
from moorage_testing.helm import HelmError, Values

CHART = Path(__file__).parents[2] / "charts" / "moorage"
KUBERNETES = "1.36.3"

__all__ = ["CHART", "KUBERNETES", "Helm", "HelmError", "Object", "Values", "named", "pod_of", "the"]

Object = dict[str, Any]


_rendered: dict[str, str] = {}


class Helm(Installer):
    """Helm of one version, which renders this chart."""

    def text(self, values: Values | None = None, *flags: str, **place: Any) -> str:
        """What ``helm template`` prints; ``place``: release, namespace, chart. Kept for others."""
        key = json.dumps([self.name, values or {}, flags, place], default=str)
        if key not in _rendered:
            _rendered[key] = self.rendered(values, *flags, **place)
        return _rendered[key]

    def rendered(self, values: Values | None = None, *flags: str, **place: Any) -> str:
        """The same, rendered anew."""
        return self.run(
            "template",
            place.get("release", "moorage"),
            str(place.get("chart", CHART)),
            "--namespace",
            place.get("namespace", "moorage-system"),
            "--kube-version",
            KUBERNETES,
            *flags,
            values=values or {},
        )

    def render(self, values: Values | None = None, *flags: str, **place: Any) -> list[Object]:
        """The objects of ``helm template``, those of hooks included."""
        # Safe, too, and ten times as fast: there are hundreds of these texts.
        loaded = yaml.load_all(self.text(values, *flags, **place), Loader=yaml.CSafeLoader)
        return [one for one in loaded if one]


def named(objects: list[Object], kind: str) -> dict[str, Object]:
    """The objects of one kind by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def the(objects: list[Object], kind: str) -> Object:
    """The one object of a kind."""
    (found,) = named(objects, kind).values()
    return found


def pod_of(one: Object) -> Object | None:
    """The pod that an object is, or makes; ``None`` = it makes none."""
    template = one["spec"].get("template") if "spec" in one else None
    if template and "containers" in template["spec"]:
        return {"metadata": template["metadata"], "spec": template["spec"]}
    return one if one["kind"] == "Pod" else None
