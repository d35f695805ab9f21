"""Images without a builder: one static program each, as an archive that containerd imports."""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_image(archive: Path, name: str, program: Path) -> Path:
    """Write an image, in docker's archive format, that holds one program and runs it."""
    layer = _tar({program.name: (program.read_bytes(), 0o755)})
    machine = platform.machine()
    config = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    content = _tar(
        {
            "config.json": (_json(config), 0o644),
            "layer.tar": (layer, 0o644),
            "manifest.json": (_json(manifest), 0o644),
        }
    )
    archive.write_bytes(content)
    return archive


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    """Return a tar of files with their modes; the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
