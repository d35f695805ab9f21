"""Secondary networks as the Network Plumbing Working Group has standardised them."""

from moorage_testing.cni.crd import nad_crd

__all__ = ["nad_crd"]
