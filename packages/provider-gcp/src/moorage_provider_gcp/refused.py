"""The refusal whose reason is found only by reading the state again."""

from moorage_provider.errors import CloudError


class Refused(CloudError):
    """The current state does not allow the request; read it again, then decide again."""
