"""What this part says of itself."""

from __future__ import annotations

PART = "external-ip"
DESCRIPTION = """\
A Service gets an external address, and one node at a time answers for it.

Starts on this machine, without containers but as root on Linux:
  - a real Kubernetes control plane: etcd, API server, controller manager
  - three nodes and a client: network namespaces on one switch, which vanish with the demo; the
    network of this machine is not touched
  - moorage-external-ip, and a moorage-node-agent for each node: processes of their own, each with
    its own ClusterRole; a server on each node stands for the pods behind the service proxy
The client asks all the time who has the address (ARP), and sends datagrams to it. Then five things
happen, and each must be seen everywhere to count: in the IpClaim, in the kernels of the nodes, and
by the client, which must never be answered by two.

  served     a Service is created: it has an address, and the client is answered by one node
  killed     SIGKILL to that node's agent: the kernel lets go, another node answers
  back       the agent starts again: nothing moves back
  drained    the other node is cordoned and its agent ends: the address moves before it does
  released   the Service is deleted: nobody answers, nothing is left"""
