"""The text of ``--keep``: how to use the processes that keep running."""

from __future__ import annotations

from e2e.demo.external_ip.installation import Installation
from moorage_testing.cluster.toolchain import tool_path

_TEXT = """\
All of it goes on running, with a Service once more. In another terminal:

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}

  kubectl get services,ipclaims,ipclaimpools,ipnodes
  kubectl get ipa
  nsenter --net={network} ip address     # of node1
  nsenter --net={client} ip neighbour    # of the client

  tail -f {log}

Ctrl-C in this terminal ends it and leaves nothing behind."""


def how_to_look_around(installation: Installation) -> str:
    """The commands to copy."""
    cluster, lab = installation.cluster, installation.lab
    return _TEXT.format(
        kubeconfig=cluster.kubeconfig,
        kubectl=tool_path("kubectl"),
        network=lab.node(1).namespace.path,
        client=lab.station.namespace.path,
        log=installation.controller.log,
    )
