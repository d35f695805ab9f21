"""The embedded cluster: a real control plane without containers, and fake nodes."""

from moorage_testing.cluster.api import ApiError
from moorage_testing.cluster.control_plane import Settings
from moorage_testing.cluster.embedded import EmbeddedCluster
from moorage_testing.cluster.go_tool import ToolchainError, ToolMissingError
from moorage_testing.cluster.kubectl import Kubectl, KubectlError
from moorage_testing.cluster.objects import Node, Owner, Pod, Taint

__all__ = [
    "ApiError",
    "EmbeddedCluster",
    "Kubectl",
    "KubectlError",
    "Node",
    "Owner",
    "Pod",
    "Settings",
    "Taint",
    "ToolMissingError",
    "ToolchainError",
]
