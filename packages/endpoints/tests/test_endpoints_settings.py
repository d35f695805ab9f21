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


def test_ranges_that_nobody_understands_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"10\.1\.0\.1/24"):
        EndpointsSettings.model_validate({"allow_addresses": "10.1.0.1/24"})
