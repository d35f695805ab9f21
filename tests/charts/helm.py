"""Helm of one version: what a chart renders, and releases on a cluster."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from moorage_testing.cluster.toolchain import tool_path

CHART = Path(__file__).parents[2] / "charts" / "moorage"
KUBERNETES = "1.36.3"
SECONDS = 120.0

Object = dict[str, Any]
Values = Mapping[str, Any]


class HelmError(Exception):
    """A command of Helm failed; the message is what it printed."""


_rendered: dict[str, str] = {}


@dataclass(frozen=True)
class Helm:
    """One version of Helm, with folders of its own.

    Attributes:
        name: of the tool: ``helm3`` or ``helm4``.
        home: where it keeps its files.
        kubeconfig: of the cluster where releases go; ``None`` = nothing but rendering.
    """

    name: str
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str, values: Values | None = None) -> str:
        """Run a command; returns what it prints."""
        given = ["--values", "-"] if values is not None else []
        cluster = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        folders = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HOME")
        done = subprocess.run(  # noqa: S603 - a test's own arguments, without a shell
            [str(tool_path(self.name)), *arguments, *given, *cluster],
            input=json.dumps(values) if values is not None else None,
            env={**os.environ, **dict.fromkeys(folders, str(self.home))},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise HelmError(done.stderr.strip())
        return done.stdout

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
        return [one for one in yaml.safe_load_all(self.text(values, *flags, **place)) if one]


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
