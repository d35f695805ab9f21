"""The lock files of images: every package of others in its one version, with its hashes.

``./nox -s lock`` writes them anew, and the list of licences beside them; what pip installs into an
image is then what was looked at.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from e2e.images.build import ROOT, programs
from e2e.images.contents import LOCKS, members, requirements
from e2e.images.prepared import prepared

LICENCES = ROOT / "docs" / "third-party.md"
_OLDEST_PYTHON = "3.11"
_HEADER = "# Written by `./nox -s lock`, for images; each entry has the hashes of all its files.\n"
_TITLE = """# What images hold of others

Written by `./nox -s lock`: every package that some image holds, in its one version, and its licence
as the package states it. `core` alone holds those of the clouds.

| package | version | licence |
|---|---|---|
"""
# Of packages that state no SPDX expression.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def asked_of() -> dict[str, set[str]]:
    """What each lock file is made from, by the file's name without its ending."""
    asked: dict[str, set[str]] = {"controllers": set(), "build": set()}
    for program in programs():
        plain, build = requirements(ROOT, program, "")
        asked["controllers"] |= set(plain)
        asked["build"] |= set(build)
        for name, needed in members(ROOT / "packages", program, "all"):
            if name.startswith("provider-"):
                asked.setdefault(name, set()).update(needed)
    return asked


def write_locks(scratch: Path) -> None:
    """Write all of them: the newest versions that fit together, for every platform."""
    asked = asked_of()
    _write("build", list(_compiled(asked.pop("build"))))
    together = scratch / "together.txt"
    together.write_text("".join(_compiled(set().union(*asked.values()))), "utf-8")
    common = list(_compiled(asked.pop("controllers"), together))
    _write("controllers", common)
    for name, needed in asked.items():
        _write(name, [one for one in _compiled(needed, together) if one not in common])


def write_licences() -> None:
    """Write the list of what the image with everything holds."""
    site = prepared(ROOT, "core", "all", _OLDEST_PYTHON) / "site"
    found = sorted(distributions(path=[str(site)]), key=lambda one: one.name.lower())
    rows = (f"| {one.name} | {one.version} | {_licence(one)} |\n" for one in found)
    LICENCES.write_text(_TITLE + "".join(rows), "utf-8")


def _licence(package: Distribution) -> str:
    stated = package.metadata.json
    names = [
        str(one).rpartition(" :: ")[2] for one in stated.get("classifier", ()) if "License" in one
    ]
    spdx = " OR ".join(_SPDX.get(name, name) for name in names)
    # The oldest field is free text, often the whole licence.
    text = str(stated.get("license") or "not stated")
    return str(stated.get("license_expression") or spdx or _SPDX.get(text, text))


def _write(name: str, entries: list[str]) -> None:
    (ROOT / LOCKS / f"{name}.txt").write_text(_HEADER + "".join(entries), "utf-8")


def _compiled(asked: set[str], constraints: Path | None = None) -> Iterator[str]:
    """One requirement after the other with its hashes, line breaks included."""
    command = [
        "uv", "pip", "compile", "--quiet", "--universal", "--python-version", _OLDEST_PYTHON,
        "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "-",
    ]  # fmt: skip
    if constraints is not None:
        command += ["--constraints", str(constraints)]
    lines = "".join(f"{line}\n" for line in sorted(asked))
    ended = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)  # noqa: S603 - our own lists
    entry = ""
    for line in ended.stdout.splitlines(keepends=True):
        if entry and not line.startswith(" "):
            yield entry
            entry = ""
        entry += line
    yield entry


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_locks(Path(folder))
    write_licences()
