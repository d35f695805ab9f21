"""Settings of placement, beside those that say how a node is chosen."""

from __future__ import annotations

from pydantic import Field, field_validator

from moorage_domain.label_selectors import Selector
from moorage_kube.manager.settings import CommonSettings, in_group


class PlacementSettings(CommonSettings):
    """Of nodes and their agents."""

    node_selector: str = Field(
        "",
        max_length=1024,
        description="Labels of the nodes that may have addresses, as key=value or key, separated by"
        " commas; ipcontroller= is the label of the first version. Pools can say more. Empty: all.",
        json_schema_extra=in_group("placement"),
    )
    agent_namespace: str | None = Field(
        None,
        max_length=63,
        description="Namespace of the Leases of node agents; else that of this process.",
        json_schema_extra=in_group("placement"),
    )

    @field_validator("node_selector")
    @classmethod
    def _selector_is_readable(cls, text: str) -> str:
        Selector.parse(text)
        return text
