"""A reason is one word wherever it is shown."""

from moorage_domain.reasons import Reason


def test_a_reason_is_shown_as_its_name_and_is_no_warning_by_default() -> None:
    reason = Reason("Bound", "The cloud shows the address on its node.")
    assert f"{reason}" == "Bound"
    assert not reason.warning
