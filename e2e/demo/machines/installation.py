"""The demo's control plane, machine controller and moorage-machine-ipam, while a block runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from e2e.demo.machines import manifests
from e2e.demo.machines.observed import Observed, Pool
from e2e.demo.program import call_of, leading
from e2e.demo.rights import CONTROLLER_NAMESPACE
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.openshift import MachineController
from moorage_testing.processes import Child, Command
from moorage_testing.waiting import wait_for

READY_SECONDS = 60.0
LOG_LINES = 25

_MACHINES = f"/apis/machine.openshift.io/v1beta1/namespaces/{manifests.NAMESPACE}/machines"
_IPAM = f"/apis/ipam.cluster.x-k8s.io/v1beta1/namespaces/{manifests.NAMESPACE}"
_POOL = (
    f"/apis/ipamcontroller.openshift.io/v1/namespaces/{manifests.NAMESPACE}"
    f"/ippools/{manifests.POOL}"
)
_RECORDS = "/apis/moorage.dev/v1alpha1/ipallocations"


class Installation:
    """All actions and observations go through it."""

    def __init__(self, cluster: EmbeddedCluster, controller: Child) -> None:
        self.cluster = cluster
        self.controller = controller
        self._machines = MachineController(cluster.request, manifests.NAMESPACE)

    def controller_log(self) -> str:
        """The last lines of the controller's log."""
        return f"the controller's log:\n{self.controller.log_tail(LOG_LINES)}"

    def create(self, names: range) -> None:
        """Create Machines, as their MachineSet does."""
        for number in names:
            self.cluster.request("POST", _MACHINES, manifests.machine(number))

    def delete(self, names: range) -> None:
        """Delete Machines; does not wait for their end."""
        self.delete_all([manifests.machine_name(number) for number in names])

    def delete_all(self, names: Sequence[str]) -> None:
        """The same, by their names."""
        for name in names:
            self.cluster.request("DELETE", f"{_MACHINES}/{name}")

    def rest(self, seconds: int) -> None:
        """Change for how long the pool gives a released address to nobody."""
        self.cluster.request("PATCH", _POOL, {"spec": {"reuse-delay-seconds": seconds}})

    def step(self) -> None:
        """Let the machine controller go on."""
        self._machines.step()

    def observe(self) -> Observed:
        """Observe everything now; raises ChildError if the controller has ended."""
        self.controller.check()
        self.step()
        claims = self._items(f"{_IPAM}/ipaddressclaims")
        vms = self._machines.vms.values()
        return Observed(
            machines=tuple(one["metadata"]["name"] for one in self._items(_MACHINES)),
            vms=self._machines.addresses(),
            kargs=min(vms, key=lambda one: one.machine).kargs.strip() if vms else "",
            records={
                one["spec"]["address"]: (one.get("status") or {}).get("phase", "")
                for one in self._items(_RECORDS)
            },
            waiting=dict(filter(None, map(_waiting, claims))),
            claims=len(claims),
            pool=_pool(self.cluster.request("GET", _POOL).get("status") or {}),
        )

    def _items(self, path: str) -> list[dict[str, Any]]:
        return list(self.cluster.request("GET", path)["items"])


def _waiting(claim: dict[str, Any]) -> tuple[str, str] | None:
    """A claim that has no address, and why."""
    status = claim.get("status") or {}
    if status.get("addressRef") or "deletionTimestamp" in claim["metadata"]:
        return None
    told = [one["message"] for one in status.get("conditions") or () if one["type"] == "Ready"]
    return claim["metadata"]["name"], "".join(told)


def _pool(status: dict[str, Any]) -> Pool:
    counts = (int(status.get(name) or 0) for name in ("total", "used", "free", "quarantined"))
    return Pool(*counts)


def _served(cluster: EmbeddedCluster) -> bool:
    """Whether all kinds can be listed: a new one is not, for a moment after it is established."""
    try:
        for path in (_MACHINES, f"{_IPAM}/ipaddressclaims", f"{_IPAM}/ipaddresses", _RECORDS):
            cluster.request("GET", path)
        cluster.request("GET", _POOL.rpartition("/")[0])
    except ApiError:
        return False
    return True


@contextlib.contextmanager
def open_installation(report: Callable[[str], None]) -> Iterator[Installation]:
    """Everything, ended with the block. Raises one of ``e2e.demo.play.BROKEN``.

    ``report`` hears what is being waited for.
    """
    report("the control plane is starting: etcd, API server, controller manager")
    with EmbeddedCluster.start() as cluster:
        cluster.apply(manifests.kinds())
        wait_for(lambda: _served(cluster), READY_SECONDS, "the kinds to be served")
        account = f"{CONTROLLER_NAMESPACE}/{manifests.CONTROLLER}"
        kubeconfig = cluster.kubeconfig_for(account)
        cluster.apply(manifests.objects())
        report("the controller is starting, with its own rights only")
        call = call_of(manifests.CONTROLLER, kubeconfig)
        with leading(cluster, Command(manifests.CONTROLLER, call)) as controller:
            yield Installation(cluster, controller)
