"""Flags of first versions written in Go: understood, so that their command lines go on working."""

from __future__ import annotations

from pydantic import Field

from moorage_kube.manager.settings import CommonSettings, without_effect


class GoFlags(CommonSettings):
    """What their log and their caches could be set to; nothing of it has an effect."""

    logtostderr: str | None = Field(
        None,
        max_length=16,
        description="Of the first version and without effect: logs go to stderr.",
        json_schema_extra=without_effect(),
    )
    v: str | None = Field(
        None,
        max_length=16,
        description="Of the first version and without effect: --log-level says how much is logged.",
        json_schema_extra=without_effect(),
    )
    resync: str | None = Field(
        None,
        max_length=16,
        description="Of the first version and without effect: what changes is seen at once, and"
        " lists are read again where a watch ends.",
        json_schema_extra=without_effect(),
    )
