"""Kinds: what identifies a resource of the Kubernetes API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the Kubernetes API.

    Attributes:
        group: ``""`` for the core group.
        plural: as in paths and RBAC rules.
        name: as in ``kind:`` of a manifest.
        namespaced: whether its objects live in namespaces.
    """

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As in ``apiVersion:`` of a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version
