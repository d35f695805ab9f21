"""DANM as its users know it: its kinds, its CNI, hosts with pods, and what must always hold."""

from __future__ import annotations

from moorage_testing.danm.checker import broken, leaked
from moorage_testing.danm.cni import Cni, InUse
from moorage_testing.danm.crds import danm_crds
from moorage_testing.danm.hosts import Container, Host, Hosts
from moorage_testing.danm.kubelets import Kubelets
from moorage_testing.danm.memory_api import MemoryApi

__all__ = [
    "Cni",
    "Container",
    "Host",
    "Hosts",
    "InUse",
    "Kubelets",
    "MemoryApi",
    "broken",
    "danm_crds",
    "leaked",
]
