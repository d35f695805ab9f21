"""What this part says of itself."""

from __future__ import annotations

PART = "machines"
DESCRIPTION = """\
Machines get static addresses out of a pool, and nobody else does.

Starts on this machine, without containers and without root:
  - a real Kubernetes control plane: etcd, API server, controller manager
  - a stand-in for OpenShift's machine controller: it claims an address for each Machine, as
    addressesFromPools asks it to, and its VMs start with the kernel arguments that follow
  - moorage-machine-ipam as in production: its own process, with its own ClusterRole
Then five things happen, and each must be seen everywhere to count: on the VMs, in the
IPAllocations and in the status of the IPPool.

  created    20 Machines of one MachineSet: each VM has an address of its own
  deleted    6 of them go: their addresses are released, and rest
  waiting    12 more come: those that find none free wait, and are told until when
  reused     the pool's reuse delay is made shorter: who waited gets what was released
  released   all Machines go: no VM has an address, and nothing is left in use"""
