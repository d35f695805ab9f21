"""Kinds of Kubernetes that are read or written here and by no other controller."""

from __future__ import annotations

from moorage_domain.kinds import Kind

SERVICES = Kind("", "v1", "services", "Service", namespaced=True)
SERVICE_CIDRS = Kind("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", namespaced=False)
