"""Images hold what was looked at: each package of others in one version, checked by its hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from e2e.images.build import programs
from e2e.images.contents import LOCKS, locks, requirements
from e2e.images.locks import LICENCES
from packaging.requirements import Requirement

from .files import ROOT, shown

_PIN = re.compile(
    r"(?m)^(?P<name>[a-z0-9._-]+)==(?P<version>\S+)(?P<marker> ; [^\\\n]+)? \\"
    r"(?P<hashes>(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)$"
)
_FILES = sorted((ROOT / LOCKS).glob("*.txt"))
_ROW = re.compile(r"(?m)^\| (?P<name>\S+) \| (?P<version>[0-9]\S*) \| (?P<licence>[^|]+) \|$")
# All of them let an image be given away with a copy of the licence, which each package brings.
_LICENCES = {
    "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0",
}  # fmt: skip


def pins(text: str) -> dict[str, str]:
    return {found["name"]: found["version"] for found in _PIN.finditer(text)}


@pytest.mark.parametrize("file", _FILES, ids=shown)
def test_sec_10_every_entry_is_pinned_and_has_hashes(file: Path) -> None:
    text = file.read_text("utf-8")
    entries = [line for line in text.splitlines() if not line.startswith((" ", "#"))]
    assert len(entries) == len(pins(text)) > 0


@pytest.mark.parametrize(
    ("program", "extras"), [*((name, "") for name in programs()), ("core", "all")]
)
def test_sec_10_what_a_program_asks_for_is_locked(program: str, extras: str) -> None:
    asked, locked = requirements(ROOT, program, extras), locks(ROOT, program, extras)
    for lines, files in zip(asked, locked, strict=True):
        versions = pins("".join(file.read_text("utf-8") for file in files))
        for line in lines:
            one = Requirement(line)
            assert one.name in versions, f"{line}: run ./nox -s lock"
            assert one.specifier.contains(versions[one.name]), f"{line}: run ./nox -s lock"


def test_sec_10_the_licence_of_all_that_images_hold_is_known_and_free() -> None:
    rows = {found["name"]: found for found in _ROW.finditer(LICENCES.read_text("utf-8"))}
    held = {name.lower().replace("_", "-"): found["version"] for name, found in rows.items()}
    locked = pins("".join(path.read_text("utf-8") for path in _FILES if path.stem != "build"))
    assert {name: locked.get(name) for name in held} == held, "run ./nox -s lock"
    for name, found in rows.items():
        licences = set(re.split(r" OR | AND |[()]", found["licence"])) - {""}
        assert licences <= _LICENCES, name
