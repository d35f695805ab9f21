"""A base image of Debian packages, for machines that reach no registry of images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from e2e.images import cache
from e2e.images.engine import BuildFailed, Engine

SUITE = "bookworm"
PYTHON = "3.11"
"""Of that suite."""
PACKAGES = ("python3", "ca-certificates")
# What Debian's own small images leave out, too.
LEFT_OUT = (
    "var/cache/apt/*",
    "var/lib/apt/lists/*",
    "var/log/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/lintian/*",
    "usr/share/doc/*/[!c]*",
    "usr/share/doc/*/changelog*",
)


def install_tools() -> None:
    """Install the packages that are missing, as root on Debian; else raise ``BuildFailed``."""
    # Here, since a release publishes without any package of ours installed.
    from moorage_testing import nodes  # noqa: PLC0415 - see above

    try:
        nodes.install_missing(nodes.IMAGE_PACKAGES)
    except nodes.PackagesMissingError as error:
        missing = error.packages
        line = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
        raise BuildFailed(f"{' and '.join(missing)} missing; on Debian, as root: {line}") from error
    except nodes.NodesUnavailableError as error:
        raise BuildFailed(str(error)) from error


def base(engine: Engine) -> str:
    """The tag of the base image; made at the first call, which takes a minute and more."""
    made_of = cache.key(SUITE, *PACKAGES, *LEFT_OUT)
    tag = f"localhost/moorage/base:{made_of}"
    rootfs = cache.kept(f"base-{made_of}.tar", _bootstrap)
    if not engine.has(tag):
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            (context / "Dockerfile").write_text("FROM scratch\nADD rootfs.tar /\n")
            shutil.copy(rootfs, context / "rootfs.tar")
            engine.build(context, tag)
    return tag


def _bootstrap(archive: Path) -> None:
    print("images: debootstrap makes the base, once", file=sys.stderr)  # noqa: T201 - it takes long
    with tempfile.TemporaryDirectory(prefix="moorage-base-") as folder:
        root = Path(folder)
        include = f"--include={','.join(PACKAGES)}"
        _run("debootstrap", "--variant=minbase", include, SUITE, folder)
        _slim(root)
        _run("tar", "--create", "--file", str(archive), "--directory", folder, ".")


def _slim(root: Path) -> None:
    for pattern in LEFT_OUT:
        for path in list(root.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                # Some folders are links to others: their files are listed twice.
                path.unlink(missing_ok=True)


def _path() -> str:
    return f"{os.environ['PATH']}{os.pathsep}/usr/sbin"


def _run(*command: str) -> None:
    environment = {**os.environ, "PATH": _path(), "DEBIAN_FRONTEND": "noninteractive"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if ended.returncode:
        last = "\n".join((ended.stdout + ended.stderr).splitlines()[-10:])
        raise BuildFailed(f"{' '.join(command)} failed:\n{last}")
