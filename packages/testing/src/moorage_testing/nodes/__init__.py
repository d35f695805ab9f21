"""Real Kubernetes nodes on this machine: namespaces with containerd, kubelet and kube-proxy."""

from moorage_testing.nodes.images import write_image
from moorage_testing.nodes.machine import MachineError
from moorage_testing.nodes.node import RealNode
from moorage_testing.nodes.programs import (
    IMAGE_PACKAGES,
    NODE_PACKAGES,
    NodesUnavailableError,
    PackagesMissingError,
    can_install,
    check_machine,
    install_missing,
    missing_packages,
)
from moorage_testing.nodes.real import RealNodes, build_tools

__all__ = [
    "IMAGE_PACKAGES",
    "NODE_PACKAGES",
    "MachineError",
    "NodesUnavailableError",
    "PackagesMissingError",
    "RealNode",
    "RealNodes",
    "build_tools",
    "can_install",
    "check_machine",
    "install_missing",
    "missing_packages",
    "write_image",
]
