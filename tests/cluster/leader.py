"""A leader that writes as often as it can: what the test of a frozen leader freezes."""

from __future__ import annotations

import asyncio
import sys

from moorage_kube.client.client import Client, Target
from moorage_kube.client.connection import load_connection
from moorage_kube.client.errors import Conflict
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.election.lease import LeadershipLost, LeaseElection, LeaseSettings

PAUSE_SECONDS = 0.02


def say(*words: object) -> None:
    """One line for the test to read."""
    print(*words, flush=True)  # noqa: T201 - the test reads the log


async def write_forever(client: Client, election: LeaseElection) -> None:
    """Put our name into the one ConfigMap, each time behind the fence.

    A process can be frozen between the fence and its request; the resourceVersion holds such a
    write off, as it does in a real controller.
    """
    lease = election.settings
    say("leading")
    raw = await client.get(CONFIGMAPS, "writes", lease.namespace)
    while True:
        election.fence()
        body = {
            "metadata": {"resourceVersion": raw["metadata"]["resourceVersion"]},
            "data": {"writer": lease.identity},
        }
        try:
            raw = await client.patch(CONFIGMAPS, Target("writes", lease.namespace), body)
        except Conflict:
            say("held off")
            raw = await client.get(CONFIGMAPS, "writes", lease.namespace)
        await asyncio.sleep(PAUSE_SECONDS)


async def main(kubeconfig: str, namespace: str, identity: str) -> int:
    """Lead until the Lease is lost; 1, as a real controller would."""

    async def stopped() -> None:
        say("stopped")

    settings = LeaseSettings("leader", namespace, identity, 6.0, 5.0, 1.0)
    async with Client(load_connection(kubeconfig), user_agent="leader/0") as client:
        election = LeaseElection(client, settings)
        try:
            await election.run(lambda: write_forever(client, election), stopped)
        except LeadershipLost as lost:
            say("lost:", lost)
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
