"""Write the go.mod files for one Kubernetes version: `python generate_kubernetes.py 1.36.3`.

A script and not a hand-written file: k8s.io/kubernetes replaces its staging modules by folders of
its own tree, which no other module can see, so each must be replaced by its published release.
Afterwards `go mod tidy` in each folder fills in the rest and go.sum.
"""

# ruff: noqa: INP001 - a script, not a package

import json
import re
import subprocess
import sys
from pathlib import Path

COMMANDS = {
    "kubernetes": ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    "node": ("kube-proxy", "kubelet"),
}
HEADER = "// Made by ../generate_kubernetes.py, then `go mod tidy`. Do not edit by hand."


def go_mod(folder: str, version: str) -> str:
    """Return the text of a folder's go.mod for Kubernetes `version` (without the v)."""
    described = subprocess.run(  # noqa: S603 - the version goes to one argument, not to a shell
        ["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"],  # noqa: S607 - the user's Go
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    upstream = Path(json.loads(described)["GoMod"]).read_text(encoding="utf-8")
    language = re.search(r"^go (\S+)$", upstream, re.MULTILINE)
    staging = re.findall(r"^\s*(k8s\.io/[\w-]+) => \./staging", upstream, re.MULTILINE)
    if language is None or not staging:
        raise SystemExit(f"k8s.io/kubernetes v{version}: its go.mod is not of the known shape")
    published = "v0." + version.split(".", 1)[1]
    lines = [
        HEADER,
        f"module moorage/toolchain/{folder}",
        "",
        f"go {language[1]}",
        "",
        "tool (",
        *(f"\tk8s.io/kubernetes/cmd/{command}" for command in COMMANDS[folder]),
        ")",
        "",
        f"require k8s.io/kubernetes v{version}",
        "",
        "replace (",
        *(f"\t{module} => {module} {published}" for module in staging),
        ")",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the files beside this script."""
    if len(sys.argv) != len(("program", "version")):
        raise SystemExit("usage: python generate_kubernetes.py VERSION, for instance 1.36.3")
    for name in COMMANDS:
        folder = Path(__file__).parent / name
        folder.mkdir(exist_ok=True)
        (folder / "go.mod").write_text(go_mod(name, sys.argv[1]), encoding="utf-8")


if __name__ == "__main__":
    main()
