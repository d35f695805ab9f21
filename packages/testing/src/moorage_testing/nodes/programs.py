"""What real nodes need of this machine: what is missing, and on Debian its installation."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from moorage_testing.cgroups import Group, remove_groups

# The packages of Debian and Ubuntu, by a program of theirs.
NODE_PACKAGES: Mapping[str, str] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ptp": "containernetworking-plugins",
    "host-local": "containernetworking-plugins",
    "portmap": "containernetworking-plugins",
    "loopback": "containernetworking-plugins",
    "nft": "nftables",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
IMAGE_PACKAGES: Mapping[str, str] = {"buildah": "buildah", "debootstrap": "debootstrap"}
"""What a machine without docker builds images with; no node needs it."""
# Not all of them are on the PATH of users; where CNI plug-ins are differs between distributions.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")
CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
APT_WAIT_SECONDS = 600
APT = ("apt-get", "-q", "-o", f"DPkg::Lock::Timeout={APT_WAIT_SECONDS}")


class NodesUnavailableError(Exception):
    """Real nodes cannot run on this machine; the message says why in one line."""


class PackagesMissingError(NodesUnavailableError):
    """They could run here if some packages were installed; the message has the command."""

    def __init__(self, packages: Sequence[str]) -> None:
        """Name the packages."""
        names = " ".join(packages)
        super().__init__(f"real nodes need packages: apt-get install --yes {names}")
        self.packages = tuple(packages)


def program(name: str) -> str:
    """Return the path of a program of this machine; raises NodesUnavailableError."""
    found = _find(name)
    if found is None:
        raise NodesUnavailableError(f"real nodes need the program {name}")
    return found


def cni_folder() -> Path:
    """Return the folder of the CNI plug-ins."""
    return Path(program("ptp")).parent


def missing_packages(packages: Mapping[str, str] = NODE_PACKAGES) -> tuple[str, ...]:
    """Return the packages of which a program is missing here."""
    return tuple(sorted({package for name, package in packages.items() if _find(name) is None}))


def check_machine() -> None:
    """Raise NodesUnavailableError where real nodes cannot run, and say what is missing."""
    if sys.platform != "linux":
        raise NodesUnavailableError(f"real nodes need Linux, this is {sys.platform}")
    if os.geteuid() != 0:
        raise NodesUnavailableError("real nodes need root, for namespaces, mounts and links")
    if missing := missing_packages():
        raise PackagesMissingError(missing)
    # Root in a container may lack the right to all of this.
    trial = [program("unshare"), "--mount", "--net", "--pid", "--uts", "--fork", "true"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    if done.returncode != 0:
        raise NodesUnavailableError(f"real nodes need namespaces: {done.stderr.strip()}")
    group = Group(f"trial-{os.getpid()}", "node")
    try:
        group.make()
    except OSError as error:
        raise NodesUnavailableError(f"real nodes need control groups: {error}") from error
    finally:
        remove_groups(group.run_id)


def can_install() -> bool:
    """Whether this process may install packages: root on Debian or Ubuntu."""
    return sys.platform == "linux" and os.geteuid() == 0 and _find("apt-get") is not None


def install_missing(packages: Mapping[str, str] = NODE_PACKAGES) -> tuple[str, ...]:
    """Install the packages that are missing, after saying so; return which.

    Raises NodesUnavailableError where that is not possible; never without root.
    """
    missing = missing_packages(packages)
    if not missing:
        return ()
    if not can_install():
        raise PackagesMissingError(missing)
    # One of ours at a time: apt-get update waits for nobody.
    with Path(program("apt-get")).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = missing_packages(packages)
        if missing:
            _install(missing)
    return missing


def _install(packages: Iterable[str]) -> None:
    sys.stderr.write(f"installing for real nodes: {' '.join(packages)}\n")
    sys.stderr.flush()
    install = (*APT, "install", "--yes", "--no-install-recommends", *packages)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in ((*APT, "update"), install):
        argv = [program(command[0]), *command[1:]]
        done = subprocess.run(  # noqa: S603 - packages of the tables above
            argv, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
            raise NodesUnavailableError(f"`{' '.join(command)}` failed:\n{tail}")


def _find(name: str) -> str | None:
    folders = [os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS, *CNI_FOLDERS]
    return shutil.which(name, path=os.pathsep.join(folders))
