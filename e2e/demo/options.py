"""What the demo can be told, and the grace periods that follow from it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

# One node holds still, one is drained, one is lost, one takes what the lost one had.
FEWEST_NODES = 4
MOST_NODES = 100

DESCRIPTION = """\
A reserved address leaves a drained node for a healthy one.

Starts on this machine, without containers and without root:
  - a real Kubernetes control plane: etcd, API server, scheduler, controller manager;
    the nodes are fake, the pods on them are only recorded as running
  - an emulator of Amazon EC2 that treats Elastic IPs as the real one does
  - moorage-core as in production: its own process, with its own ClusterRole and no other right
Then five things happen to two addresses, and each must be seen twice to count: in the cloud
(DescribeAddresses) and in the status of the NetIPAllocation.

  bound      a NetIPAllocation is created: each address comes to a node, and its pods follow
  held       kubectl cordon: nothing moves, since pods that need the address still run there
  drained    kubectl drain: the pods leave, then the address does, then new pods follow it
  failed     a node falls silent: its address moves without waiting for its pods
  released   the NetIPAllocation is deleted: no address is held, no node is labelled"""

EPILOG = """\
In a terminal it shows live tables, in a pipe one line per step. The first run builds the
control plane with Go, which takes minutes; later ones take less than a minute and a half.
Nothing is left behind, whatever ends the demo.

exit codes: 0 every step was seen in the cloud and in the status; 1 one was not, and it says
which; 2 wrong options; 130 or 143 ended by Ctrl-C or SIGTERM.

examples:
  ./nox -s demo                     watch it once
  ./nox -s demo -- --keep           ... and look around with kubectl afterwards
  ./nox -s demo -- --fast | cat     as a check, for scripts"""


@dataclass(frozen=True, slots=True)
class Options:
    """How the demo is to run."""

    nodes: int = 5
    keep: bool = False
    fast: bool = False

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
        """How long it is watched that nothing moves off a cordoned node."""
        return 1.0 if self.fast else 4.0

    @property
    def read_seconds(self) -> float:
        """How long a finished step stays alone on a terminal, for people to read."""
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
        "--nodes",
        type=_nodes,
        default=5,
        metavar="N",
        help=f"nodes of the cluster, {FEWEST_NODES} to {MOST_NODES} (default 5)",
    )
    parser.add_argument(
        "--fast", action="store_true", help="shorter grace periods: less to watch, same steps"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave all running at the end, and say how to use it"
    )
    given = parser.parse_args(argv)
    return Options(given.nodes, given.keep, given.fast)


def _nodes(text: str) -> int:
    count = int(text)
    if not FEWEST_NODES <= count <= MOST_NODES:
        raise argparse.ArgumentTypeError(f"{count} is not from {FEWEST_NODES} to {MOST_NODES}")
    return count
