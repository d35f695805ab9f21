"""An image in a file, as ``docker save`` writes it."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WHITEOUT = ".wh."


@dataclass(frozen=True, slots=True)
class Archive:
    """A file with one image, its layers uncompressed."""

    path: Path

    def config(self) -> dict[str, Any]:
        """User, entry point, environment and labels."""
        with tarfile.open(self.path) as archive:
            described: dict[str, Any] = _json(archive, _manifest(archive)["Config"])
        config: dict[str, Any] = described["config"]
        return config

    def size(self) -> int:
        """Bytes of all files of all layers."""
        total = 0
        with tarfile.open(self.path) as archive:
            for name in _manifest(archive)["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                    total += sum(member.size for member in layer)
        return total

    def unpack(self, root: Path) -> None:
        """Lay all layers over each other in a folder, which needs root."""
        with tarfile.open(self.path) as archive:
            for name in _manifest(archive)["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                    members = layer.getmembers()
                    if any(Path(member.name).name.startswith(_WHITEOUT) for member in members):
                        raise ValueError(f"layer {name} removes files, which none of ours does")
                    layer.extractall(root, members, numeric_owner=True, filter="tar")


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    images: list[dict[str, Any]] = _json(archive, "manifest.json")
    (image,) = images
    return image


def _json(archive: tarfile.TarFile, name: str) -> Any:  # noqa: ANN401 - JSON
    member = archive.extractfile(name)
    if member is None:
        raise ValueError(f"{name} of an image is no file")
    return json.load(member)
