"""The emulated Azure as a process of its own: prints one line of JSON, then serves until ended."""

import argparse
import contextlib
import dataclasses
import json
import sys
import threading

from moorage_testing.clouds.azure.emulator import ArmEmulator


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="moorage_testing.clouds.azure", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = a free one")
    parser.add_argument("--region", default="westeurope")
    parser.add_argument("--nodes", type=int, default=3, help="instances to start with")
    parser.add_argument("--addresses", default="203.0.113.10", help="public addresses, by commas")
    parser.add_argument("--cluster", default="", help="tag the instances as this cluster's")
    options = parser.parse_args()
    with ArmEmulator(port=options.port, region=options.region) as emulator:
        cluster = options.cluster
        tags = {f"kubernetes.io_cluster_{cluster}": "owned"} if cluster else {}
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
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
