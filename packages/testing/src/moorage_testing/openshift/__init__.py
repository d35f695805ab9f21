"""Machines of OpenShift: their kind, and a stand-in for the controller that makes VMs of them."""

from moorage_testing.openshift.crd import machine_crd
from moorage_testing.openshift.machine_controller import MachineController, Vm

__all__ = ["MachineController", "Vm", "machine_crd"]
