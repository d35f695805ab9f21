"""The text of ``--keep``: how to use the processes that keep running."""

from __future__ import annotations

import json

from e2e.demo.machines import manifests
from e2e.demo.machines.installation import Installation
from moorage_testing.cluster.toolchain import tool_path

_TEXT = """\
All of it goes on running. In another terminal:

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}

  kubectl create -f {machine}
  kubectl -n {namespace} get machines,ipaddressclaims,ipaddresses
  kubectl -n {namespace} get ippools
  kubectl get ipa
  kubectl -n {namespace} delete machine {name}

  tail -f {log}

Ctrl-C in this terminal ends it and leaves nothing behind."""


def how_to_look_around(installation: Installation) -> str:
    """The commands to copy."""
    cluster = installation.cluster
    machine = cluster.run.folder / "machine.json"
    machine.write_text(json.dumps(manifests.machine(1), indent=2), encoding="utf-8")
    return _TEXT.format(
        kubeconfig=cluster.kubeconfig,
        kubectl=tool_path("kubectl"),
        machine=machine,
        name=manifests.machine_name(1),
        namespace=manifests.NAMESPACE,
        log=installation.controller.log,
    )
