"""What real nodes need is named with the command that installs it, and installed only by root."""

import json
import tarfile
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from moorage_testing.nodes import (
    IMAGE_PACKAGES,
    NODE_PACKAGES,
    NodesUnavailableError,
    PackagesMissingError,
    check_machine,
    install_missing,
    missing_packages,
    programs,
    write_image,
)
from moorage_testing.nodes.network import CANDIDATES, NetworkError, Plan, free_network

APT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in *install*) for name in {names}; do cp {folder}/apt-get {folder}/$name; done;; esac
"""


def become(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian with apt-get alone; return the folder of its programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    names = " ".join([*NODE_PACKAGES, *IMAGE_PACKAGES])
    text = APT.format(log=tmp_path / "apt.log", names=names, folder=folder)
    (folder / "apt-get").write_text(text)
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setattr("sys.platform", "linux")
    # cp is needed by the script.
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    monkeypatch.setattr(programs, "_find", lambda name: found(folder / name))
    return folder


def found(path: Path) -> str | None:
    return str(path) if path.exists() else None


def test_the_command_names_each_missing_package_once(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, 0)
    (bare / "nft").touch()
    line = r"apt-get install --yes containerd containernetworking-plugins iproute2 mount runc util"
    with pytest.raises(PackagesMissingError, match=line) as refused:
        check_machine()
    assert "nftables" not in refused.value.packages
    assert missing_packages(IMAGE_PACKAGES) == ("buildah", "debootstrap")


def test_without_root_nothing_is_tried(
    bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    become(monkeypatch, 1000)
    with pytest.raises(NodesUnavailableError, match="need root"):
        check_machine()
    with pytest.raises(PackagesMissingError, match="apt-get install"):
        install_missing()
    assert bare.exists()
    assert not (tmp_path / "apt.log").exists()


@pytest.mark.usefixtures("bare")
def test_root_installs_what_is_missing_after_saying_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    become(monkeypatch, 0)
    assert install_missing(IMAGE_PACKAGES) == ("buildah", "debootstrap")
    assert capsys.readouterr().err == "installing for real nodes: buildah debootstrap\n"
    update, install = (tmp_path / "apt.log").read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith("install --yes --no-install-recommends buildah debootstrap")
    assert install_missing(IMAGE_PACKAGES) == ()


def test_a_failed_installation_says_why(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    become(monkeypatch, 0)
    (bare / "apt-get").write_text("#!/bin/sh\necho no network >&2\nexit 100\n")
    with pytest.raises(NodesUnavailableError, match=r"update` failed:\nno network"):
        install_missing()


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(NodesUnavailableError, match="need Linux, this is darwin"):
        check_machine()


def test_a_run_takes_the_first_network_that_no_route_overlaps() -> None:
    routes = [{"dst": "default"}, {"dst": "10.128.3.0/24"}, {"dst": "10.129.0.1"}]
    assert free_network(json.dumps(routes)) == IPv4Network("10.130.0.0/16")
    assert free_network('[{"dst": "10.0.0.0/8"}]') == IPv4Network("198.18.0.0/16")
    everything = json.dumps([{"dst": str(candidate)} for candidate in CANDIDATES])
    with pytest.raises(NetworkError, match="networks free"):
        free_network(everything)


def test_addresses_of_nodes_and_pods_are_apart() -> None:
    plan = Plan(IPv4Network("10.128.0.0/16"))
    assert (str(plan.host), str(plan.node(1))) == ("10.128.0.1", "10.128.0.11")
    assert str(plan.pod_subnet(1)) == "10.128.129.0/24"
    assert plan.pod_subnet(100).subnet_of(plan.pods)
    assert plan.node(100) not in plan.pods


def test_an_image_holds_one_program(tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_bytes(b"\x7fELF")
    archive = write_image(tmp_path / "hello.tar", "localhost/hello:1", program)
    with tarfile.open(archive) as image:
        image.extractall(tmp_path / "image", filter="data")
    (manifest,) = json.loads((tmp_path / "image" / "manifest.json").read_text())
    assert manifest["RepoTags"] == ["localhost/hello:1"]
    config = json.loads((tmp_path / "image" / manifest["Config"]).read_text())
    assert config["config"] == {"Entrypoint": ["/hello"]}
    with tarfile.open(tmp_path / "image" / manifest["Layers"][0]) as layer:
        (member,) = layer.getmembers()
        assert (member.name, member.mode, member.size) == ("hello", 0o755, 4)
    assert write_image(tmp_path / "again.tar", "localhost/hello:1", program).read_bytes() == (
        archive.read_bytes()
    )
