"""What this part says of itself."""

from __future__ import annotations

PART = "endpoints"
DESCRIPTION = """\
A Service leads to the addresses that its pods have in a secondary network.

Starts on this machine, without containers and without root:
  - a real Kubernetes control plane with three nodes: etcd, API server, controllers, scheduler
  - a network status in each pod, written as Multus writes it: no packet is sent here
  - moorage-endpoints as in production: its own process, with its own ClusterRole; no policy of the
    chart and no webhook, so that its finalizer alone holds the net-attach-def
All the time a reader watches all EndpointSlices of the Service, as a service proxy does. Then seven
things happen, and each must be seen everywhere to count: in the pods, the Service, the slices of
Kubernetes and ours, the net-attach-def, the Events, and by the reader.

  served     a Service with a selector and three pods: it leads to default addresses
  handover   it is annotated: secondary addresses come before the default ones go
  unready    a pod is not ready: neither is its address
  back       it is ready again, and so is its address
  replaced   a pod is deleted: another one, with another address, takes its place
  protected  somebody deletes the net-attach-def that the pods use: it stays
  let-go     the last pod goes, and the net-attach-def with it"""
