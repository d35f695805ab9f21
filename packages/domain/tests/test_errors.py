"""An error says itself what can be done about it; what nobody thought of is a bug."""

from __future__ import annotations

import pytest

from moorage_domain.errors import Disposition, MendedElsewhere, MoorageError, disposition_of


class Refused(MoorageError):
    disposition = Disposition.REFUSED


@pytest.mark.parametrize(
    ("error", "disposition", "retry_after"),
    [
        (MoorageError("x"), Disposition.RETRY, None),
        (MendedElsewhere("x"), Disposition.RETRY, 300.0),
        (Refused("x"), Disposition.REFUSED, None),
        (ValueError("x"), Disposition.BUG, None),
    ],
)
def test_every_error_has_one_disposition(
    error: Exception, disposition: Disposition, retry_after: float | None
) -> None:
    assert disposition_of(error) is disposition
    assert getattr(error, "retry_after", None) == retry_after
