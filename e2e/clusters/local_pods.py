"""Pods of a release as processes of this machine, where fake kubelets only pretend to run them."""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moorage_testing.cluster.kubectl import Kubectl, KubectlError, Object
from moorage_testing.processes import Child, Command, Run

LOOK_SECONDS = 0.3
READY_SECONDS = 2.0


@dataclass
class LocalPod:
    """One pod and its process.

    Attributes:
        pod: as it was seen last.
        child: the process; ``None`` = it has not started, or its node is down.
        starts: how often it was started.
    """

    pod: Object
    child: Child | None = None
    starts: int = 0
    logs: list[Path] = field(default_factory=list)


class LocalPods:
    """Does a kubelet's work for the pods of this project on all nodes that have power.

    Each pod is a process with its command, arguments, environment and ServiceAccount's token. One
    that asks for its node's network waits until that node has one: never this machine's own.
    """

    def __init__(self, kubectl: Kubectl, run: Run, kubeconfig_for: Callable[[str], Path]) -> None:
        self.powerless: set[str] = set()
        # The files of nodes' network namespaces.
        self.networks: dict[str, str] = {}
        self._kubectl = kubectl
        self._run = run
        self._kubeconfig_for = kubeconfig_for
        self._pods: dict[str, LocalPod] = {}
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="local pods", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End every process."""
        self._stopped.set()
        self._thread.join()
        for local in self._pods.values():
            if local.child:
                local.child.stop()

    def find(self, pod: Object) -> LocalPod:
        """The process of a pod."""
        with self._lock:
            return self._pods.get(pod["metadata"]["uid"], LocalPod(pod))

    def ready(self, pod: Object) -> bool:
        """What its readiness probe says."""
        local = self.find(pod)
        log = local.logs[-1].read_text() if local.logs else ""
        if local.child is None or not (port := re.search(r'"port": (\d+)', log)):
            return False
        try:
            url = f"http://127.0.0.1:{port[1]}/readyz"
            with urllib.request.urlopen(url, timeout=READY_SECONDS):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def power_off(self, node: str) -> None:
        """Its processes are killed, and started no more."""
        with self._lock:
            self.powerless.add(node)
            for local in self._pods.values():
                if local.child and local.pod["spec"].get("nodeName") == node:
                    local.child.stop(0)
                    local.child = None

    def power_on(self, node: str) -> None:
        """Its pods are started again."""
        with self._lock:
            self.powerless.discard(node)

    def _work(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                pods = self._kubectl.items("pods", "-A", "-l", "app.kubernetes.io/part-of=moorage")
            except KubectlError as error:
                sys.stderr.write(f"local pods: {error}\n")
                continue
            with self._lock:
                self._sync({pod["metadata"]["uid"]: pod for pod in pods})

    def _sync(self, there: Mapping[str, Object]) -> None:
        for uid in self._pods.keys() - there.keys():
            if (local := self._pods.pop(uid)).child:
                local.child.stop()
        for uid, pod in there.items():
            local = self._pods.setdefault(uid, LocalPod(pod))
            local.pod = pod
            if "deletionTimestamp" in pod["metadata"]:
                if local.child:
                    local.child.stop()
                    local.child = None
            elif pod["spec"].get("nodeName", "") not in {"", *self.powerless}:
                self._keep_running(local)
                self._report_ready(local)

    def _keep_running(self, local: LocalPod) -> None:
        if local.child is not None and local.child.alive:
            return
        once = local.pod["spec"]["restartPolicy"] == "Never"
        if local.child is not None and once:
            self._ended(local, local.child.returncode)
        elif local.child is None and once and local.starts:
            return
        else:
            self._start(local)

    def _report_ready(self, local: LocalPod) -> None:
        """What the probe says becomes the pod's condition, also after its node was unreachable.

        The fake kubelet says Ready once; the node controller takes that back when a node is lost.
        """
        status = local.pod.get("status", {})
        (said, *_) = [
            c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"
        ] or [""]
        ready = str(self.ready(local.pod))
        if status.get("phase") == "Running" and said != ready:
            self._patch_status(local, {"conditions": [{"type": "Ready", "status": ready}]})

    def _ended(self, local: LocalPod, status: int | None) -> None:
        """A pod that runs once has ended."""
        self._patch_status(local, {"phase": "Succeeded" if status == 0 else "Failed"})
        local.child = None

    def _patch_status(self, local: LocalPod, status: Mapping[str, Any]) -> None:
        meta = local.pod["metadata"]
        try:
            self._kubectl.run(
                "patch", "pod", "-n", meta["namespace"], meta["name"], "--subresource=status",
                "--type=strategic", "--patch", json.dumps({"status": status}),
            )  # fmt: skip
        except KubectlError as error:
            # It was deleted since it was seen.
            if "(NotFound)" not in str(error):
                raise

    def _start(self, local: LocalPod) -> None:
        meta, spec = local.pod["metadata"], local.pod["spec"]
        (container,) = spec["containers"]
        node = spec["nodeName"]
        if spec.get("hostNetwork") and node not in self.networks:
            sys.stderr.write(f"{meta['name']} waits for the network of {node}\n")
            return
        try:
            values = {one["name"]: self._value(local.pod, one) for one in container.get("env", ())}
        except LookupError as missing:
            # As a kubelet says it of a pod whose Secret is missing: it waits.
            sys.stderr.write(f"{meta['name']}: CreateContainerConfigError: {missing}\n")
            return
        local.starts += 1
        account = f"{meta['namespace']}/{spec['serviceAccountName']}"
        # The entry point of an image, and the module that it is here.
        argv = [sys.executable, "-m", container["command"][0].replace("-", "_")]
        argv += [*container["command"][1:], *container.get("args", ())]
        env = {name: value for name, value in values.items() if value is not None}
        # Of many on one machine each has a port of its own.
        env |= {"MOORAGE_METRICS_PORT": "0", "MOORAGE_METRICS_HOST": "127.0.0.1"}
        if spec.get("hostNetwork"):
            env |= {"MOORAGE_NETWORK_NAMESPACE": self.networks[node]}
        env |= {"KUBECONFIG": str(self._kubeconfig_for(account))}
        name = f"{meta['name']}-{local.starts}"
        local.child = self._run.start(Command(name, argv, env=env, grace_seconds=30.0))
        local.logs.append(local.child.log)

    def _value(self, pod: Object, one: Mapping[str, Any]) -> str | None:
        """Of an environment variable; raises LookupError where its Secret lacks it."""
        if "value" in one or "valueFrom" not in one:
            return str(one.get("value", ""))
        source = one["valueFrom"]
        if field_ref := source.get("fieldRef"):
            found: Any = pod
            for key in field_ref["fieldPath"].split("."):
                found = found[key]
            return str(found)
        ref, namespace = source["secretKeyRef"], pod["metadata"]["namespace"]
        data = self._kubectl.get("secret", "-n", namespace, ref["name"]).get("data", {})
        if ref["key"] in data:
            return base64.b64decode(data[ref["key"]]).decode()
        if ref.get("optional"):
            return None
        raise LookupError(f"Secret {ref['name']} has no {ref['key']}")
