"""The control groups of a run: made for its nodes, and removed with all that runs in them.

Version 1, version 2, and both side by side. A group of a run is `moorage-<run>/<node>` in every
hierarchy that is mounted here, so what a dead run left is found by its name.
"""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from moorage_testing.waiting import wait_for

GROUP_PREFIX = "moorage-"
MOUNTS = Path("/proc/self/mountinfo")
LEAF = "system"
KILL_SECONDS = 20.0
# What a kubelet wants of version 2, as far as the machine has it.
KUBELET_CONTROLLERS = {"cpu", "cpuset", "hugetlb", "io", "memory", "pids"}
# A cpuset of version 1 takes no process before it has both.
CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")


@dataclass(frozen=True, slots=True)
class Group:
    """The group of a run's node, by the folders that it has in the hierarchies."""

    run_id: str
    node: str

    @property
    def path(self) -> str:
        """As the kubelet's cgroupRoot wants it, for instance /moorage-4f2a/node-1."""
        return f"/{GROUP_PREFIX}{self.run_id}/{self.node}"

    def make(self) -> None:
        """Make the group, with a leaf for what is no pod."""
        name = self.path[1:]
        for hierarchy in _hierarchies():
            for relative in (f"{GROUP_PREFIX}{self.run_id}", name, f"{name}/{LEAF}"):
                folder = hierarchy / relative
                folder.mkdir(exist_ok=True)
                _make_usable(folder)

    def entrances(self) -> list[Path]:
        """Return the files that a process which is no pod writes itself into.

        The leaf: in version 2 a group with groups below it holds no processes.
        """
        return [folder / LEAF / "cgroup.procs" for folder in self._folders()]

    def pids(self) -> set[int]:
        """Return the processes in the group and in those below it."""
        return _pids(self._folders())

    def remove(self) -> None:
        """Kill what runs in the group and remove it."""
        _remove(self._folders())

    def _folders(self) -> list[Path]:
        return [hierarchy / self.path[1:] for hierarchy in _hierarchies()]


def remove_groups(run_id: str) -> None:
    """Kill what runs in the groups of a run and remove them; does nothing where there are none."""
    folders = [hierarchy / f"{GROUP_PREFIX}{run_id}" for hierarchy in _hierarchies()]
    _remove([folder for folder in folders if folder.exists()])


def _hierarchies() -> list[Path]:
    """Return where the hierarchies are mounted: one in version 2, several in version 1."""
    if not MOUNTS.exists():
        return []
    mounts = []
    for line in MOUNTS.read_text(encoding="utf-8").splitlines():
        left, right = line.split(" - ", 1)
        if right.split()[0] in {"cgroup", "cgroup2"}:
            mounts.append(Path(left.split()[4]))
    return mounts


def _make_usable(folder: Path) -> None:
    """Hand on to a new group what its parent may use."""
    for name in CPUSET_FILES:
        file = folder / name
        if file.exists() and not _in_version_2(folder) and not file.read_text().strip():
            file.write_text((folder.parent / name).read_text())
    if _in_version_2(folder):
        there = set((folder.parent / "cgroup.controllers").read_text().split())
        control = folder.parent / "cgroup.subtree_control"
        missing = (KUBELET_CONTROLLERS & there) - set(control.read_text().split())
        # Beside version 1 the hierarchy only groups processes: the controllers are in version 1.
        if "cpu" in there and missing:
            control.write_text(" ".join(f"+{each}" for each in sorted(missing)))


def _in_version_2(folder: Path) -> bool:
    return (folder / "cgroup.controllers").exists()


def _pids(folders: Iterable[Path]) -> set[int]:
    return {
        int(pid)
        for folder in folders
        for each in _tree(folder)
        for pid in _read_lines(each / "cgroup.procs")
        # 0 is a process that this one cannot see.
        if pid != "0"
    }


def _remove(folders: list[Path]) -> None:
    def empty() -> bool:
        # Again and again: what is being killed may still fork.
        pids = _pids(folders)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    wait_for(empty, KILL_SECONDS, f"the processes in {folders} to end")
    # A group is busy for a moment after its last process ended.
    wait_for(lambda: all(map(_remove_tree, folders)), KILL_SECONDS, f"{folders} to be removable")


def _remove_tree(folder: Path) -> bool:
    for each in reversed(list(_tree(folder))):
        try:
            each.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _tree(folder: Path) -> Iterator[Path]:
    """Yield a folder and all below it, each before those in it."""
    for path, _, _ in os.walk(folder):
        yield Path(path)


def _read_lines(file: Path) -> list[str]:
    # Removed meanwhile, or, in version 2, a group of threads.
    with contextlib.suppress(OSError):
        return file.read_text().split()
    return []
