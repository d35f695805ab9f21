"""The options of the demo, and the grace periods that follow from them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from e2e.demo.core.cloud import CLOUDS, Cloud

# One node stays, one is drained, one is lost, one takes the lost one's address.
FEWEST_NODES = 4
MOST_NODES = 100
ALL = "all"

DESCRIPTION = """\
A reserved address leaves a drained node for a healthy one.

Starts on this machine, without containers and without root:
  - a real Kubernetes control plane: etcd, API server, scheduler, controller manager;
    the nodes are fake, the pods on them are only recorded as running
  - an emulator of the cloud, which treats reserved addresses as the real one does:
    --cloud aws is Amazon EC2, gcp is Google Compute Engine, azure is Azure; all takes them
    one after the other on the same control plane, each with nodes and a controller of its own
  - moorage-core as in production: its own process, with its own ClusterRole and no other right
Then five things happen to two addresses, and each must be seen twice to count: in the cloud
(the emulator itself is asked who has what) and in the status of the NetIPAllocation.

  bound      a NetIPAllocation is created: each address comes to a node, and its pods follow
  held       kubectl cordon: nothing moves, since pods that need the address still run there
  drained    kubectl drain: the pods leave, then the address does, then new pods follow it
  failed     a node falls silent: its address moves without waiting for its pods
  released   the NetIPAllocation is deleted: no address is held, no node is labelled

A move is one change of the cloud on AWS and two on Azure, which must detach first. It is four on
Google Cloud: there the new node gives its own address up first, and the old one gets one back."""

EPILOG = """\
In a terminal it shows live tables, in a pipe one line per step. The first run builds the
control plane with Go, which takes minutes; later ones take less than a minute and a half
for each cloud. Your own cloud settings (AWS_*, GOOGLE_*, AZURE_*, ...) are not used.
Nothing is left behind, whatever ends the demo.

exit codes: 0 every step of every cloud was seen in the cloud and in the status; 1 one was not,
and it says which; 2 wrong options; 130 or 143 ended by Ctrl-C or SIGTERM.

examples:
  ./nox -s demo                     watch it once
  ./nox -s demo -- --keep           ... and look around with kubectl afterwards
  ./nox -s demo -- --cloud gcp      watch it on Google Cloud
  ./nox -s demo -- --cloud all --fast | cat     as a check of all clouds, for scripts
  ./nox -s demo -- --part machines --help       another part: static addresses for machines
  ./nox -s demo -- --part external-ip --help    and one more: addresses of Services, as root"""


@dataclass(frozen=True, slots=True)
class Options:
    """How the demo is to run."""

    clouds: tuple[Cloud, ...]
    nodes: int
    keep: bool
    fast: bool

    @property
    def monitor_grace_seconds(self) -> float:
        """From a node's last heartbeat to NotReady; 40 or 50 in production."""
        return 3.0 if self.fast else 6.0

    @property
    def not_ready_seconds(self) -> int:
        """From NotReady to the move of an address; 40 by default in production."""
        return 1 if self.fast else 3

    @property
    def hold_seconds(self) -> float:
        """How long the demo checks that nothing leaves a cordoned node."""
        return 1.0 if self.fast else 4.0

    @property
    def read_seconds(self) -> float:
        """How long a finished step stays on a terminal before the next one begins."""
        return 0.0 if self.fast else 2.0

    @property
    def eviction_seconds(self) -> int:
        """From NotReady to the deletion of the node's pods; 300 in production."""
        return 1 if self.fast else 2


def parse(argv: Sequence[str]) -> Options:
    """The options; exits with 0 after --help and with 2 on wrong ones."""
    parser = argparse.ArgumentParser(
        prog="e2e.demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--cloud",
        choices=(*(cloud.name for cloud in CLOUDS), ALL),
        default=CLOUDS[0].name,
        help="where the addresses are reserved (default %(default)s)",
    )
    parser.add_argument(
        "--nodes",
        type=_nodes,
        default=5,
        metavar="N",
        help=f"nodes in each cloud, {FEWEST_NODES} to {MOST_NODES} (default 5)",
    )
    parser.add_argument(
        "--fast", action="store_true", help="shorter grace periods: less to watch, same steps"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave all running at the end, and say how to use it"
    )
    given = parser.parse_args(argv)
    if given.keep and given.cloud == ALL:
        ways = ", ".join(f"--cloud {cloud.name}" for cloud in CLOUDS)
        parser.error(f"--keep leaves one cloud running: choose one of {ways}")
    clouds = tuple(cloud for cloud in CLOUDS if given.cloud in (cloud.name, ALL))
    return Options(clouds, given.nodes, given.keep, given.fast)


def _nodes(text: str) -> int:
    count = int(text)
    if not FEWEST_NODES <= count <= MOST_NODES:
        raise argparse.ArgumentTypeError(f"{count} is not from {FEWEST_NODES} to {MOST_NODES}")
    return count
