"""The image of each controller: what it says of itself, what is in it, where it runs."""

from __future__ import annotations

import re
import sys
import time
import urllib.request
from urllib.parse import urlsplit

import psutil
import pytest
from e2e.images.archive import Archive
from e2e.images.build import version
from unpacked import ROOT, Unpacked

from moorage_api import DEFINITIONS
from moorage_api.crds import crd
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.cluster_api import ipam_crds
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

MOST_MEGABYTES = {
    "core": 250,
    "machine-ipam": 190,
    "external-ip": 190,
    "endpoints": 190,
    "node-agent": 190,
    "danm": 190,
}
READY_SECONDS = 6.0
# Each SDK, as far as its provider uses it, and every source of credentials it may be told to use.
LOADS_EVERY_SDK = """
import boto3, kubernetes.client
from importlib.metadata import entry_points
session = boto3.Session()
for service in ("ec2", "sts", "sso", "sso-oidc", "signin"):
    session.client(service, region_name="eu-west-1")
for partition in session.get_available_partitions():
    assert session.get_available_regions("ec2", partition), partition
names = {point.name: point.load() for point in entry_points(group="moorage.providers")}
import moorage_provider_aws.ec2, moorage_provider_azure.arm, moorage_provider_gcp.compute
import moorage_provider_gcp.binding, moorage_provider_gcp.mapping
from google.cloud.compute_v1.types import compute
assert compute.Address().address == ""
import azure.identity, kubernetes.aio.config.openid, kubernetes.config.incluster_config
from azure.mgmt.compute import models
kubernetes.client.Configuration()
print(*sorted(names), *(len(vars(module)) > 50 for module in (compute, models)))
"""
# A module without bytecode would be compiled again at each start, since nothing can be written.
FINDS_WHAT_IS_NOT_COMPILED = """
import importlib.util, pathlib, sys, sysconfig
def bare(folder):
    return [str(path) for path in pathlib.Path(folder).rglob("*.py")
            if not pathlib.Path(importlib.util.cache_from_source(path)).exists()]
stdlib = sysconfig.get_path("stdlib")
print(len(bare("/opt/moorage")), len(bare(f"{stdlib}/asyncio")), len(bare(f"{stdlib}/json")))
"""


def test_it_says_what_it_is(package: str, archive: Archive) -> None:
    config = archive.config()
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])
    assert config["Entrypoint"] == ["/opt/moorage/bin/moorage"]
    assert not config.get("Cmd")
    labels = config["Labels"]
    described = "org.opencontainers.image"
    assert labels[f"{described}.title"] == f"moorage-{package}"
    assert labels[f"{described}.version"] == version()
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels[f"{described}.revision"])
    assert labels[f"{described}.licenses"] == "Apache-2.0"


def test_it_is_small(package: str, archive: Archive) -> None:
    assert archive.size() / 1_000_000 <= MOST_MEGABYTES[package]


def test_any_user_without_name_or_home_runs_it_on_a_read_only_root(image: Unpacked) -> None:
    ended = image.run(*image.program("--version"))
    assert (ended.stdout, ended.stderr) == (f"moorage-{image.package} {version()}\n", "")


def test_the_program_has_its_name_on_the_path(image: Unpacked) -> None:
    assert image.run(*image.argv(f"moorage-{image.package}", "--version")).returncode == 0


def test_nobody_knows_its_user_and_it_can_write_nothing(image: Unpacked) -> None:
    # Else the tests around it would prove little. Root is known everywhere.
    script = (
        "import os, pwd\ntry: print(pwd.getpwuid(os.getuid()).pw_name)\nfinally: open('/x', 'w')"
    )
    ended = image.run(*image.argv("python3", "-c", script))
    assert ended.stdout.split() == (["root"] if image.package in ROOT else [])
    assert "Read-only file system" in ended.stderr


def test_what_every_cloud_needs_is_in_the_cores_and_in_no_other(image: Unpacked) -> None:
    if image.package != "core":
        site = image.root / "opt/moorage"
        assert [name for name in ("boto3", "google", "azure") if (site / name).exists()] == []
        return
    ended = image.run(*image.argv("python3", "-c", LOADS_EVERY_SDK))
    assert ended.stdout.split() == ["aws", "azure", "gcp", "True", "True"], ended.stderr


def test_everything_is_compiled(image: Unpacked) -> None:
    ended = image.run(*image.argv("python3", "-c", FINDS_WHAT_IS_NOT_COMPILED))
    assert ended.stdout.split() == ["0", "0", "0"], ended.stderr


def test_it_has_no_installer_and_no_tests(image: Unpacked) -> None:
    found = {path.name for path in (image.root / "opt/moorage").iterdir()}
    assert f"moorage_{image.package.replace('-', '_')}" in found
    assert not found & {"pip", "hatchling", "moorage_testing"}
    assert [path.name for path in (image.root / "opt/moorage/bin").iterdir() if path.is_file()]
    assert not (image.root / "build").exists()


def test_bad_settings_are_one_line(image: Unpacked) -> None:
    ended = image.run(*image.program("--workers", "many"))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "--workers: 'many'" in ended.stderr


@pytest.mark.timeout(600)
def test_as_in_a_pod_it_is_ready_in_time(image: Unpacked, cluster: EmbeddedCluster) -> None:
    cluster.apply([*ipam_crds(), *(crd(definition) for definition in DEFINITIONS)])
    in_cluster = mount_service_account(image, cluster)
    argv = image.program("--metrics-host", "127.0.0.1", "--metrics-port", "0", **in_cluster)
    with Run.open() as run:
        begun = time.monotonic()
        child = run.start(Command("image", argv, grace_seconds=10.0))
        wait_for(lambda: is_ready(child), 60, "the image to be ready", interval_seconds=0.05)
        taken = time.monotonic() - begun
        used = psutil.Process(child.pid).cpu_times()
        assert child.stop() == 0, child.log_tail()
    cpu = used.user + used.system
    sys.stderr.write(f"{image.package}: ready after {taken:.1f} s, {cpu:.1f} s of them at work\n")
    # On a machine with nothing else to do it takes no longer than this.
    assert cpu <= READY_SECONDS


def mount_service_account(image: Unpacked, cluster: EmbeddedCluster) -> dict[str, str]:
    """Put the files of a pod into the image; returns its variables."""
    token = cluster.service_account_token("default/image")
    cluster.apply(
        [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "image"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "cluster-admin",
                },
                "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "image"}],
            }
        ]
    )
    folder = image.root / "run/secrets/kubernetes.io/serviceaccount"
    folder.mkdir(parents=True)
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes(cluster.ca_file.read_bytes())
    (folder / "namespace").write_text("default")
    server = urlsplit(cluster.server)
    return {
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
        "POD_NAME": "image",
        # Variables that are not known to a program are refused.
        **({"MOORAGE_NODE_NAME": "image"} if image.package in ROOT else {}),
    }


def is_ready(child: Child) -> bool:
    """Whether its probe says so."""
    found = re.search(r'"port": (\d+)', child.log.read_text())
    if not found:
        return False
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/readyz", timeout=5):
            return True
    except OSError:
        return False
