"""Kinds of Kubernetes that are read or written here."""

from __future__ import annotations

from moorage_domain.kinds import Kind

SERVICES = Kind("", "v1", "services", "Service", namespaced=True)
ENDPOINTS = Kind("", "v1", "endpoints", "Endpoints", namespaced=True)
SLICES = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True)
NADS = Kind(
    "k8s.cni.cncf.io",
    "v1",
    "network-attachment-definitions",
    "NetworkAttachmentDefinition",
    namespaced=True,
)
