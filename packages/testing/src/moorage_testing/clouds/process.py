"""An emulated cloud as its own process: prints one line of JSON, then serves until ended."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from moorage_testing.clouds.serving import HttpEmulator
from moorage_testing.clouds.world import World

WorldT = TypeVar("WorldT", bound=World)


@dataclass(frozen=True, slots=True)
class Program:
    """Name and defaults of a cloud's own program.

    Attributes:
        name: of the module.
        region: the default region of instances.
        cluster_tags: tags that assign an instance to a cluster.
    """

    name: str
    region: str
    cluster_tags: Callable[[str], Mapping[str, str]]


def run(program: Program, opening: Callable[..., HttpEmulator[WorldT]]) -> int:
    """Run from the command line; ``opening`` takes ``port`` and ``region``."""
    parser = argparse.ArgumentParser(prog=program.name, description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = a free one")
    parser.add_argument("--region", default=program.region)
    parser.add_argument("--nodes", type=int, default=3, help="instances to start with")
    parser.add_argument("--addresses", default="203.0.113.10", help="reserved ones, by commas")
    parser.add_argument("--cluster", default="", help="tag the instances as this cluster's")
    options = parser.parse_args()
    with opening(port=options.port, region=options.region) as emulator:
        tags = program.cluster_tags(options.cluster) if options.cluster else {}
        instances = emulator.world.add_instances(options.nodes, tags=tags)
        for ip in filter(None, options.addresses.split(",")):
            emulator.world.add_address(ip)
        line = {
            "url": emulator.url,
            "region": emulator.region,
            "environment": emulator.environment,
            "instances": [dataclasses.asdict(instance) for instance in instances],
            "addresses": emulator.world.addresses(),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        # Whatever signal ends it, it removes the keys and certificates it has written. A shell
        # makes background processes ignore the first of these signals.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0
