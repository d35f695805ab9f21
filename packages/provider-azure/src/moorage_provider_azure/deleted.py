"""The refusal of a change because its machine is being deleted, as in every scale-down."""

from __future__ import annotations

from moorage_provider.errors import CloudError

NOT_ALLOWED = "OperationNotAllowed"
"""The code of that refusal, of a quota, of a throttle and of others: their texts differ."""
BEING_DELETED = "marked for deletion"


def is_of_deleted(error: CloudError) -> bool:
    """Whether an error is this refusal."""
    return error.code == NOT_ALLOWED and BEING_DELETED in error.message
