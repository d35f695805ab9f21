"""The text of ``--keep``: how to use the processes that keep running."""

from __future__ import annotations

from e2e.demo.danm import manifests
from e2e.demo.danm.installation import Installation
from moorage_testing.cluster.toolchain import tool_path

_TEXT = """\
All of it goes on running. In another terminal:

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}

  kubectl -n {namespace} get pods -o wide
  kubectl -n {namespace} get danmeps.{group} -o yaml
  kubectl -n {namespace} get events --field-selector involvedObject.kind=DanmEp
  kubectl get nodes

  tail -f {log}

Ctrl-C in this terminal ends it and leaves nothing behind."""


def how_to_look_around(installation: Installation) -> str:
    """The commands to copy."""
    return _TEXT.format(
        kubeconfig=installation.cluster.kubeconfig,
        kubectl=tool_path("kubectl"),
        namespace=manifests.NAMESPACE,
        group=manifests.GROUP,
        log=installation.controller.log,
    )
