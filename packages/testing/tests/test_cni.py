"""The meta plug-in of CNI: what it reads, what it calls, and what it does when something fails."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moorage_testing.cni import meta_plugin
from moorage_testing.cni.install import NAME, config_of, write_plugins
from moorage_testing.cni.meta_plugin import plugins_of, selected

# A plug-in that answers with an address of its own, and writes down what it was asked.
PLUGIN = """#!/bin/sh
config=$(cat)
echo "$CNI_COMMAND $CNI_IFNAME $(basename $0)" >> "$LOG"
[ "$CNI_COMMAND" = DEL ] && exit 0
echo '{"cniVersion": "0.4.0",
 "interfaces": [{"name": "x", "mac": "02:00:00:00:00:01", "sandbox": "/s"}],
 "ips": [{"version": "4", "address": "192.0.2.7/24", "interface": 0}], "dns": {}}'
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("a", [("ns", "a", "")]),
        ("a, other/b@eth7", [("ns", "a", ""), ("other", "b", "eth7")]),
        ("a,a", [("ns", "a", ""), ("ns", "a", "")]),
        ('[{"name": "a"}]', [("ns", "a", "")]),
        ('[{"name": "a", "namespace": "b", "interface": "c"}]', [("b", "a", "c")]),
    ],
)
def test_which_networks_an_annotation_selects(text: str, found: list[tuple[str, ...]]) -> None:
    assert selected(text, "ns") == found


def test_a_config_of_one_plugin_and_a_list_of_some() -> None:
    one = plugins_of('{"cniVersion": "0.3.1", "type": "bridge"}', "net")
    assert one == [{"cniVersion": "0.3.1", "type": "bridge", "name": "net"}]
    several = plugins_of('{"name": "x", "plugins": [{"type": "a"}, {"type": "b"}]}', "net")
    assert [(one["type"], one["name"], one["cniVersion"]) for one in several] == [
        ("a", "x", "0.3.0"), ("b", "x", "0.3.0"),
    ]  # fmt: skip


class Node:
    """The plug-in on a node, with programs that only write down what they are asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        plugins = folder / "machine"
        plugins.mkdir()
        for name in ("ptp", "bridge"):
            (plugins / name).write_text(PLUGIN)
            (plugins / name).chmod(0o755)
        write_plugins(folder / "cni", plugins)
        # Nobody answers there.
        access = {"server": "https://127.0.0.1:9", "ca_file": os.devnull, "token": "t"}
        (folder / "access").write_text(json.dumps(access))

    def call(self, command: str) -> tuple[int, dict[str, Any]]:
        """Exit code and answer, ``{}`` = none."""
        config = config_of({"type": "ptp"}) | {
            "cniVersion": "0.4.0", "name": "pods", "access": str(self.folder / "access"),
            "state": str(self.folder / "state"),
        }  # fmt: skip
        environment = os.environ | {
            "CNI_COMMAND": command, "CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0",
            "CNI_NETNS": "/n", "CNI_PATH": str(self.folder / "cni"),
            "LOG": str(self.folder / "log"),
            "CNI_ARGS": "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p",
        }  # fmt: skip
        done = subprocess.run(  # noqa: S603 - our own program
            [self.folder / "cni" / NAME], input=json.dumps(config), env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout or "{}")

    @property
    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []


def test_without_the_api_server_a_pod_is_attached_to_nothing(tmp_path: Path) -> None:
    node = Node(tmp_path)
    code, answer = node.call("ADD")
    assert code == 1
    assert answer["code"] == meta_plugin.FAILED
    assert node.log == []


def test_what_was_attached_is_detached_the_last_one_first_and_once(tmp_path: Path) -> None:
    node = Node(tmp_path)
    known = [
        {"name": "pods", "interface": "eth0", "plugins": [{"type": "ptp"}], "default": True},
        {"name": "ns/a", "interface": "net1", "plugins": [{"type": "bridge"}], "default": False},
    ]
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "c.json").write_text(json.dumps(known))
    assert node.call("DEL") == (0, {})
    assert node.call("DEL") == (0, {})
    assert node.log == ["DEL net1 bridge", "DEL eth0 ptp"]


def test_it_says_which_versions_it_speaks(tmp_path: Path) -> None:
    code, answer = Node(tmp_path).call("VERSION")
    assert (code, answer["supportedVersions"]) == (0, meta_plugin.VERSIONS)


def test_it_needs_nothing_but_the_standard_library() -> None:
    argv = [sys.executable, "-I", "-S", str(meta_plugin.__file__)]
    environment = {"CNI_COMMAND": "VERSION"}
    done = subprocess.run(argv, env=environment, capture_output=True, check=True)  # noqa: S603 - as above
    assert json.loads(done.stdout)["cniVersion"]
