"""The text of ``--keep``: how to use the processes that keep running."""

from __future__ import annotations

from e2e.demo.endpoints import manifests
from e2e.demo.endpoints.installation import Installation
from moorage_testing.cluster.toolchain import tool_path

_TEXT = """\
All of it goes on running, with net-attach-def and pods once more. In another terminal:

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}

  kubectl -n {namespace} get endpointslices,pods,net-attach-def
  kubectl -n {namespace} describe service {name}
  kubectl -n {namespace} get service {name} -o yaml
  kubectl -n {namespace} annotate service {name} moorage.dev/networks-    # and back

  tail -f {log}

Ctrl-C in this terminal ends it and leaves nothing behind."""


def how_to_look_around(installation: Installation) -> str:
    """The commands to copy."""
    return _TEXT.format(
        kubeconfig=installation.cluster.kubeconfig,
        kubectl=tool_path("kubectl"),
        namespace=manifests.NAMESPACE,
        name=manifests.NAME,
        log=installation.controller.log,
    )
