"""Settings of moorage-endpoints: which mode is the default."""

from __future__ import annotations

import pytest

from moorage_endpoints.modes import Mode
from moorage_endpoints.settings import EndpointsSettings


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, Mode.REPORT),
        ({"webhook_services": True}, Mode.HANDOVER),
        ({"selector_services": "companion"}, Mode.COMPANION),
        ({"selector_services": "legacy", "webhook_services": True}, Mode.LEGACY),
        ({"selector_services": "handover"}, Mode.HANDOVER),
        ({"selector_services": "report", "webhook_services": True}, Mode.REPORT),
    ],
)
def test_the_default_mode(given: dict[str, object], mode: Mode) -> None:
    assert EndpointsSettings.model_validate(given).default_mode is mode
