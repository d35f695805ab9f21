"""What this part says of itself."""

from __future__ import annotations

PART = "danm"
DESCRIPTION = """\
A pod has a static address of DANM. Its node fails, and its replacement wants the address back.

Starts on this machine, without containers and without root:
  - a real Kubernetes control plane with three nodes: etcd, API server, controllers, scheduler
  - DANM as its CNI acts on the API server: it marks addresses as used and free
  - moorage-danm controller as in production: its own process, with its own ClusterRole
Then five things happen, and each must be seen everywhere to count: in the pods, in DANM's
endpoints and in the bits of its network.

  created    a Deployment of one replica: its pod has 10.88.0.5
  ill        the node is only not ready: a replacement waits, and nothing is freed
  well       the node is back: it removes the old pod itself, and the replacement starts
  dead       the other node loses power: a replacement waits, since nobody knows that yet
  fenced     somebody says that it is dead: the address is freed, and the replacement has it"""
