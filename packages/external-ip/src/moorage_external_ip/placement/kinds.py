"""Kinds of Kubernetes that only placement reads."""

from __future__ import annotations

from moorage_domain.kinds import Kind

ENDPOINT_SLICES = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True)
