"""Process 1 of a node: gives it /run, /var, a host name and loopback, then collects the dead.

Run as a program, with nothing but the standard library, in namespaces of its own:
`machine_init.py NODE VAR [PROGRAM ...]`. VAR is the folder that becomes the node's /var, which
outlives the node; the programs are found in /var/bin then, whatever /var hides.
"""

import signal
import subprocess
import sys
from pathlib import Path

READY = "ready"


def main() -> None:
    """Make the node; returns never."""
    node, var, *programs = sys.argv[1:]
    # New mounts stay in the node, and its pods see them, as systemd has it on a real machine.
    mount("--make-rshared", "/")
    for program in programs:
        target = Path(var, "bin", Path(program).name)
        target.parent.mkdir(exist_ok=True)
        target.touch()
        mount("--bind", program, str(target))
    if not Path(var, "run").is_symlink():
        Path(var, "run").symlink_to("/run")
    mount("--rbind", var, "/var")
    # Lost with the node, as on a real machine.
    mount("-t", "tmpfs", "tmpfs", "/run")
    Path("/proc/sys/kernel/hostname").write_text(node, encoding="utf-8")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="utf-8")
    run("ip", "link", "set", "lo", "up")
    # The orphans of a PID namespace belong to its process 1; ignored, they leave no zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    Path("/run", READY).touch()
    while True:
        signal.pause()


def mount(*arguments: str) -> None:
    """Call mount."""
    run("mount", *arguments)


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True)  # noqa: S603 - fixed commands, without a shell


if __name__ == "__main__":
    main()
