"""Publishes a release: ``./nox -s publish -- --help``; ``--dry-run`` shows every command."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.images.build import OUTPUT, ROOT, build, programs, version
from e2e.images.engine import BuildFailed, Engine, EngineMissing, find_engine

CHART = ROOT / "charts" / "moorage"


class CannotPublish(Exception):
    """One line that says what is missing."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands, or only shows them."""

    dry_run: bool

    def run(self, *command: str, secret: str = "") -> str:
        """What the command wrote; ``secret`` is its input, and is never shown."""
        sys.stdout.write(f"$ {shlex.join(command)}\n")
        if self.dry_run:
            return ""
        sys.stdout.flush()
        ended = subprocess.run(  # noqa: S603 - our own arguments
            command, input=secret, stdout=subprocess.PIPE, text=True, check=False
        )
        if ended.returncode:
            raise CannotPublish(f"{shlex.join(command)} ended with {ended.returncode}")
        return ended.stdout.strip()


def check_tag(tag: str) -> None:
    """Raise where a tag is not that of the version in the checkout."""
    if tag != f"v{version()}":
        raise CannotPublish(f"the tag is {tag} and the version {version()}")


def publish_images(commands: Commands, registry: str, base: str) -> None:
    """Build on a base named by its digest; push, sign, and attest what is inside."""
    if "@sha256:" not in base:
        raise CannotPublish(f"--base {base!r} has no digest: the same tag would change later")
    engine = Engine("docker") if commands.dry_run else find_engine("docker")
    log_in(commands, "docker", registry)
    for package in programs():
        if not commands.dry_run:
            list(build([package], engine, base))
        publish_image(commands, package, registry)


def publish_image(commands: Commands, package: str, registry: str) -> None:
    """Push one image that is built, under its version; all else names it by its digest."""
    tag = f"{registry}/{package}:{version()}"
    commands.run("docker", "tag", f"localhost/moorage/{package}:{version()}", tag)
    commands.run("docker", "push", "--quiet", tag)
    digest = "{{index .RepoDigests 0}}"
    pushed = commands.run("docker", "image", "inspect", "--format", digest, tag) or tag
    bill = str(OUTPUT / f"{package}.spdx.json")
    commands.run("syft", "scan", pushed, "--output", f"spdx-json={bill}")
    commands.run("cosign", "sign", "--yes", pushed)
    commands.run("cosign", "attest", "--yes", "--type", "spdxjson", "--predicate", bill, pushed)


def publish_chart(commands: Commands, registry: str, output: Path) -> None:
    """Push the chart as an OCI artifact, into ``charts`` of the registry."""
    log_in(commands, "helm registry", registry)
    commands.run("helm", "package", str(CHART), "--destination", str(output))
    archive = str(output / f"moorage-{version()}.tgz")
    commands.run("helm", "push", archive, f"oci://{registry}/charts")


def log_in(commands: Commands, client: str, registry: str) -> None:
    """With the user and password of the environment, if there are any."""
    user = os.environ.get("REGISTRY_USER")
    if user:
        host = registry.partition("/")[0]
        words = (*client.split(), "login", host, "--username", user, "--password-stdin")
        commands.run(*words, secret=os.environ.get("REGISTRY_PASSWORD", ""))


def main(argv: Sequence[str] | None = None) -> int:
    """Publish one thing; 2 where it cannot be."""
    parser = argparse.ArgumentParser(prog="nox -s publish --", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="run nothing")
    steps = parser.add_subparsers(dest="step", required=True)
    checking = steps.add_parser("check", help="is a tag that of the version?")
    checking.add_argument("tag")
    images = steps.add_parser("images", help="build, push, sign, attest")
    images.add_argument("--base", required=True, help="image with a digest")
    chart = steps.add_parser("chart", help="package and push")
    for step in (images, chart):
        step.add_argument("--registry", required=True, help="host and path")
    options = parser.parse_args(argv)
    commands = Commands(options.dry_run)
    try:
        if options.step == "check":
            check_tag(options.tag)
        elif options.step == "images":
            publish_images(commands, options.registry, options.base)
        else:
            publish_chart(commands, options.registry, ROOT / "dist")
    except (CannotPublish, BuildFailed, EngineMissing) as error:
        sys.stderr.write(f"publish: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
