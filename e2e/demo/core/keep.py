"""The text of ``--keep``: how to use the processes that keep running."""

from __future__ import annotations

from e2e.demo.core import manifests
from e2e.demo.core.installation import Installation
from moorage_testing.cluster.toolchain import tool_path

_TEXT = """\
All of it goes on running. In another terminal:

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}

  kubectl create -f {allocation}
  kubectl get netipallocations -w
  kubectl get nodes -L moorage.node-restriction.kubernetes.io/ip
  kubectl -n {namespace} get pods -o wide
  kubectl uncordon {first_node}

  {curl}/moorage/addresses     # who holds what in the cloud
  tail -f {log}

Ctrl-C in this terminal ends it and leaves nothing behind."""


def how_to_look_around(installation: Installation) -> str:
    """The commands to copy."""
    emulator = installation.emulator
    trusted = f"--cacert {emulator.ca_file} " if emulator.ca_file else ""
    return _TEXT.format(
        kubeconfig=installation.cluster.kubeconfig,
        kubectl=tool_path("kubectl"),
        allocation=installation.allocation_file,
        first_node=installation.observe().nodes[0].name,
        namespace=manifests.NAMESPACE,
        curl=f"curl {trusted}{emulator.url}",
        log=installation.controller.log if installation.controller else "",
    )
