"""The refusal whose reason only a look at the world tells."""

from moorage_provider.errors import CloudError


class Refused(CloudError):
    """A request could not be done as things are; read them again, then decide anew."""
