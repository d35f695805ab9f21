"""Every task of the project: ``./nox --list`` names them, ``./nox -s tests`` is what CI runs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "types", "imports", "unit", "repo"]

# Controllers are started hundreds of times: without compiled modules each start compiles the SDK
# of its cloud anew, for seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml("pyproject.toml")
PACKAGES = sorted(path.parent.name for path in (ROOT / "packages").glob("*/pyproject.toml"))
TREES = ["packages", "tests", "e2e", "noxfile.py"]


def group(name: str) -> tuple[str, ...]:
    """The exactly pinned tools of one dependency group of the root pyproject."""
    return nox.project.dependency_groups(PROJECT, name)


def closure(package: str, *, tests: bool) -> list[str]:
    """A package and the siblings it needs, as folders; with what its tests need."""
    todo, found = [package], []
    while todo:
        name = todo.pop(0)
        if name in found:
            continue
        found.append(name)
        toml = tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text("utf-8"))
        needed = toml["project"]["dependencies"]
        if tests and name == package:
            needed = needed + toml.get("dependency-groups", {}).get("test", [])
        siblings = [text.removeprefix("moorage-").split("=")[0].split("[")[0] for text in needed
                    if text.startswith("moorage-")]  # fmt: skip
        todo += siblings
    return found


def install(session: nox.Session, packages: list[str], *tools: str) -> None:
    """Install packages of this repository for editing, with tools beside them."""
    folders = [arg for name in packages for arg in ("-e", f"packages/{name}")]
    session.install(*folders, *tools)


def run_pytest(session: nox.Session, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Run tests; the slowest are told. What is kept, for ``--lf``, is kept for each session.

    How long each test took is in ``.nox/SESSION/results.xml``.
    """
    kept = (
        "-o",
        f"cache_dir={session.env_dir}/pytest",
        f"--junit-xml={session.env_dir}/results.xml",
    )
    session.run("pytest", "--durations=10", *kept, *arguments, *session.posargs, env=env or {})


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes (ruff)."""
    session.install(*group("lint"))
    session.run("ruff", "check", *TREES)
    session.run("ruff", "format", "--check", *TREES)


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly (mypy), one package after the other, its tests included."""
    install(session, PACKAGES, *group("types"), *group("test"), *group("demo"), *group("bootstrap"))
    for package in PACKAGES:
        session.run("mypy", f"packages/{package}/src", f"packages/{package}/tests")
    session.run("mypy", "tests/cluster", env={"MYPYPATH": "tests/charts"})
    session.run("mypy", "tests/charts")
    session.run("mypy", "tests/images", env={"MYPYPATH": "."})
    session.run("mypy", "tests/clouds", env={"MYPYPATH": "packages/core/tests"})
    session.run(
        "mypy", "--explicit-package-bases", "tests/bench", "tests/soak", "tests/mutants",
        "tests/repo", "e2e",
    )  # fmt: skip
    session.run("mypy", "noxfile.py")


@nox.session
def imports(session: nox.Session) -> None:
    """Who may import whom (import-linter)."""
    install(session, PACKAGES, *group("imports"))
    session.run("lint-imports")


@nox.session
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def unit(session: nox.Session, package: str) -> None:
    """The tests of one package, alone in its own environment."""
    install(session, closure(package, tests=True), *group("test"))
    run_pytest(session, f"packages/{package}/tests")


@nox.session
def repo(session: nox.Session) -> None:
    """Nothing generated is stale, names in the docs exist, sizes stay small."""
    install(session, PACKAGES, *group("test"))
    run_pytest(session, "tests/repo", "tests/soak", "tests/mutants")


@nox.session
def cluster(session: nox.Session) -> None:
    """Every controller on a real control plane; builds it on the first run."""
    # With uv, which builds the plug-in of a third party.
    tools = (*group("test"), *group("parallel"), *group("demo"), *group("bootstrap"))
    install(session, PACKAGES, *tools, *go_where_there_is_none())
    # Most of the time they wait: for Leases to run out, nodes to be missed, leaders to be killed.
    # Three at a time, each process with a control plane of its own; see conftest.py for the order.
    # With a fourth, processes on a slow machine waited minutes for their turn.
    side_by_side = ("-n", "3", "--dist", "loadgroup", "--no-loadscope-reorder")
    # Each start of a controller with a large SDK takes seconds; in memory there are more crashes.
    run_pytest(session, "tests/cluster", *side_by_side, env={"MOORAGE_CRASH_STRIDE": "5"})


@nox.session
def charts(session: nox.Session) -> None:
    """The Helm chart, rendered and installed with Helm 3 and Helm 4, on a real API server."""
    tools = (*group("test"), *group("parallel"), *go_where_there_is_none())
    install(session, PACKAGES, *tools)
    # Helm's releases are kept on control planes of their own, one for each process.
    run_pytest(session, "tests/charts", "-n", "2", "--dist", "loadfile")


@nox.session
def e2e(session: nox.Session) -> None:
    """The chart, installed on a cluster as users do: ``./nox -s e2e -- --cluster nodes``."""
    tools = (*group("test"), *group("bootstrap"), *go_where_there_is_none())
    install(session, PACKAGES, *tools)
    run_pytest(session, "e2e/tests")


@nox.session
def clouds(session: nox.Session) -> None:
    """Random runs through every emulated cloud, a few of them; ``-s random`` makes 2,000 each."""
    live_randomly(session, "40")


@nox.session
def random(session: nox.Session) -> None:
    """2,000 random runs through every emulated cloud; an hour and more."""
    live_randomly(session, "2000")


def live_randomly(session: nox.Session, runs: str) -> None:
    """So many random runs a cloud."""
    install(session, PACKAGES, *group("test"))
    run_pytest(session, "tests/clouds", env={"MOORAGE_CLOUD_RUNS": runs})


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """All of the above, side by side; what failed is told once more at the end."""
    units = [f"unit({package})" for package in PACKAGES if package != "testing"]
    # The longest first. Its processes wait more than they work, but there are three of them.
    names = (
        "cluster*2",
        "unit(testing)",
        "charts",
        "e2e",
        "types",
        "clouds",
        *units,
        "images",
        "build",
        "repo",
        "docs",
        "lint",
        "imports",
    )
    # ./nox -s unit lives 10,000 times, and crashes after every change: for minutes.
    fewer = {"MOORAGE_RANDOM_RUNS": "2000", "MOORAGE_CRASH_STRIDE": "3"}
    # One more than there are cores: all of them wait now and then.
    jobs = str(max(2, os.cpu_count() or 1) + 1)
    program = "tests/repo/side_by_side.py"
    arguments = ("--jobs", jobs, *names, "--", *session.posargs)
    session.run(sys.executable, program, *arguments, external=True, env=fewer)


@nox.session
def demo(session: nox.Session) -> None:
    """A reserved address leaves a drained node, in any cloud: ``./nox -s demo -- --help``."""
    # The SDKs hold modules so large that compiling them would stop the controller for seconds.
    session.env["UV_COMPILE_BYTECODE"] = "1"
    install(session, PACKAGES, *group("demo"), *go_where_there_is_none())
    session.run("python", "-m", "e2e.demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Target, measured, verdict: ``./nox -s bench -- --help``."""
    install(session, PACKAGES, *group("test"), *go_where_there_is_none())
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Half an hour of trouble, judged by an onlooker: ``./nox -s soak -- --help``."""
    install(session, PACKAGES, *group("test"), *go_where_there_is_none())
    session.run("python", "-m", "tests.soak", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Which small faults no test notices: ``./nox -s mutants -- --help``; minutes to hours."""
    install(session, PACKAGES, *group("test"))
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def images(session: nox.Session) -> None:
    """Build the images of the controllers, and run each; ``-- --help`` has the choices."""
    engine = any(map(shutil.which, ("docker", "podman", "buildah")))
    may_install = os.geteuid() == 0 and shutil.which("apt-get")
    if not (engine or may_install or "CI" in os.environ):
        session.skip("here is no docker, podman or buildah")
    install(session, PACKAGES, *group("test"), *go_where_there_is_none())
    session.run("python", "-m", "e2e.images", *session.posargs)
    if not session.posargs:
        session.run("pytest", "--durations=5", "-o", f"cache_dir={session.env_dir}/pytest",
                    "tests/images")  # fmt: skip


@nox.session
def publish(session: nox.Session) -> None:
    """Images, chart or the check of a tag, for a release: ``-- --help``; ``-- --dry-run`` shows."""
    session.run("python", "-m", "e2e.publish", *session.posargs)


@nox.session
def sync(session: nox.Session) -> None:
    """Write every generated file anew; ``./nox -s sync -- --check`` only says what is stale."""
    install(session, PACKAGES)
    session.run("python", "-m", "tests.repo.generated", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Pin what images have of others to the newest versions that fit; with hashes."""
    session.install(*group("bootstrap"))
    session.run("python", "-m", "e2e.images.locks")


@nox.session
def docs(session: nox.Session) -> None:
    """The site of all documents, into dist/docs/site; a link that leads nowhere fails."""
    session.install(*group("docs"))
    session.run("python", "-m", "tests.repo.pages", "dist/docs")
    session.run("zensical", "build", "--strict", "--config-file", "dist/docs/zensical.toml")


@nox.session
def build(session: nox.Session) -> None:
    """Build every wheel; each one installs and starts alone."""
    session.install(*group("build"))
    dist = ROOT / "dist"
    # Images lie there, too.
    for old in dist.glob("*.whl"):
        old.unlink()
    for package in PACKAGES:
        # With the pinned backend of this environment: no other is made for each wheel.
        wheel = ("--wheel", "--no-isolation", "-o", str(dist), f"packages/{package}")
        session.run("python", "-m", "build", *wheel, silent=True)
    for package in PACKAGES:
        start_alone(session, package, dist)
    for extra in ("aws", "azure", "gcp", "all"):
        find_plugins(session, extra, dist)
    for version in ("3.12", "3.13"):
        try_version(session, version, dist)


def from_here(dist: Path) -> list[str]:
    """How uv takes our own wheels: those just built, not ones of that name in its cache."""
    ours = [word for package in PACKAGES for word in ("--refresh-package", f"moorage-{package}")]
    return ["--find-links", str(dist), *ours]


def start_alone(session: nox.Session, package: str, dist: Path) -> None:
    """Install one wheel and only what it asks for into an empty environment, and start it."""
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "venv", "--without-pip", folder, silent=True)
        python = Path(folder) / "bin" / "python"
        session.run(
            "uv", "pip", "install", "-q", "--python", str(python), *from_here(dist),
            f"moorage-{package}", external=True,
        )  # fmt: skip
        module = f"moorage_{package.replace('-', '_')}"
        toml = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text("utf-8"))
        # Only a controller is a program for users; other modules run for us have no version.
        starts = "scripts" in toml["project"]
        command = ["-m", module, "--version"] if starts else ["-c", f"import {module}"]
        session.run(str(python), *command, external=True, silent=True)
        session.log(f"moorage-{package} installs and starts alone")


def find_plugins(session: nox.Session, extra: str, dist: Path, python: str = "") -> None:
    """Install the core with one extra: its clouds, and no others, are found."""
    with tempfile.TemporaryDirectory() as folder:
        session.run(
            "uv", "venv", "-q", "--clear", "--python", python or sys.executable, folder,
            external=True,
        )  # fmt: skip
        own = Path(folder) / "bin" / "python"
        session.run(
            "uv", "pip", "install", "-q", "--python", str(own), *from_here(dist),
            f"moorage-core[{extra}]", external=True,
        )  # fmt: skip
        listed = (
            "from importlib.metadata import entry_points as found; "
            "print(*sorted(p.name for p in found(group='moorage.providers') if p.load()))"
        )
        names = str(session.run(str(own), "-c", listed, external=True, silent=True)).split()
        if names != (["aws", "azure", "gcp"] if extra == "all" else [extra]):
            session.error(f"moorage-core[{extra}] has the plug-ins {names}")
        session.log(f"moorage-core[{extra}] finds {', '.join(names)}")


def try_version(session: nox.Session, version: str, dist: Path) -> None:
    """Another version of Python: install the core, or where there is none, find all its wheels."""
    find = ("uv", "python", "find", "--no-python-downloads", version)
    answer = session.run(*find, external=True, silent=True, log=False, success_codes=range(256))
    python = str(answer).strip()
    if Path(python).is_file():
        find_plugins(session, "all", dist, python)
        session.log(f"... with Python {version}")
        return
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "asked.txt"
        asked.write_text("moorage-core[all]\n")
        session.run(
            "uv", "pip", "compile", "-q", "--python-version", version, "--only-binary", ":all:",
            *from_here(dist), str(asked), external=True, silent=True,
        )  # fmt: skip
        session.log(f"moorage-core[all] resolves for Python {version}, which is not here")


def go_where_there_is_none() -> tuple[str, ...]:
    """The toolchain is built with Go; where none is installed PyPI has one."""
    return () if shutil.which("go") or "KUBEBUILDER_ASSETS" in os.environ else group("go")
