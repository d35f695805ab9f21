"""The settings of the reclaim controller, beyond those that every controller has."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from moorage_kube.manager.settings import ElectedSettings, in_group


class DanmSettings(ElectedSettings):
    """Settings of ``moorage-danm controller``."""

    prog: ClassVar[str] = "moorage-danm"
    version: ClassVar[str] = version("moorage-danm")
    description: ClassVar[str] = (
        "Frees the addresses of DANM endpoints whose pod cannot run any more, because its node is"
        " gone or fenced, so that the pod's replacement gets its static address back."
    )

    policy: Literal["strict", "grace", "immediate"] = Field(
        "grace",
        description="What is proof enough that a pod does not run any more. strict: its node is"
        " gone or fenced. grace: also that its node is unreachable, has stopped renewing its Lease"
        " and the pod's deletion is over. immediate: that its node is not ready; two pods may then"
        " have one address.",
        json_schema_extra=in_group("reclaim"),
    )
    trigger: Literal["auto", "demand", "eager"] = Field(
        "auto",
        description="When an address is freed. demand: once a pod that waits asks for it. eager: as"
        " soon as it may be. auto: eager where the node is gone or fenced or the pod is gone,"
        " demand elsewhere.",
        json_schema_extra=in_group("reclaim"),
    )
    grace_seconds: float = Field(
        60.0,
        ge=40.0,
        le=3600.0,
        description="How long the Lease of a node must not have been renewed before the node counts"
        " as unreachable; kubelets renew it every 10 seconds.",
        json_schema_extra=in_group("reclaim"),
    )
    gone_seconds: float = Field(
        30.0,
        ge=30.0,
        le=3600.0,
        description="How long a Node must be absent before it counts as gone.",
        json_schema_extra=in_group("reclaim"),
    )
    orphan_seconds: float = Field(
        120.0,
        ge=30.0,
        le=86_400.0,
        description="How long the kubelet of a node that is ready has for removing the endpoints of"
        " a pod that is gone.",
        json_schema_extra=in_group("reclaim"),
    )
    fence_annotations: str = Field(
        "",
        description="Annotations of Nodes by which others say that a node is fenced, separated by"
        " commas: KEY or KEY=VALUE.",
        json_schema_extra=in_group("reclaim"),
    )
    fence_conditions: str = Field(
        "",
        description="Conditions of Nodes that say so while their status is True, separated by"
        " commas.",
        json_schema_extra=in_group("reclaim"),
    )
    unfenced_per_minute: int = Field(
        60,
        ge=1,
        le=100_000,
        description="At most so many endpoints a minute are reclaimed from nodes that are neither"
        " gone nor fenced.",
        json_schema_extra=in_group("reclaim"),
    )
    beside_cleaner: bool = Field(
        default=False,
        description="Free addresses before anybody asks for them also where a danm-cleaner runs,"
        " which does so by the pod's name and may free an address a second time.",
        json_schema_extra=in_group("reclaim"),
    )
    audit: Literal["off", "report", "free"] = Field(
        "report",
        description="What is done about addresses that a network says are in use and that no"
        " endpoint has: nothing, say so, or free them.",
        json_schema_extra=in_group("audit"),
    )
    audit_seconds: float = Field(
        600.0,
        ge=60.0,
        le=86_400.0,
        description="How long that must have been so.",
        json_schema_extra=in_group("audit"),
    )

    @field_validator("fence_annotations", "fence_conditions")
    @classmethod
    def _marks_are_readable(cls, text: str) -> str:
        for one in marks_of(text):
            if not one or any(letter.isspace() for letter in one) or one.startswith("="):
                raise ValueError(
                    f"{one!r} names nothing; write KEY or KEY=VALUE, separated by commas"
                )
        return text


def marks_of(text: str) -> tuple[str, ...]:
    """The parts of a list with commas; an empty text has none."""
    return tuple(part.strip() for part in text.split(",")) if text.strip() else ()
