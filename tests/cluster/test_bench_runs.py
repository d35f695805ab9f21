"""The benchmarks run cut down: every row has a figure and a verdict, the counts hold even so."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.bench.controllers import running

from moorage_testing.processes import ChildError, Run

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "--nodes", "40", "--pods", "80", "--resyncs", "1", "--moves", "2", "--storm", "5",
    "--objects", "100",
)  # fmt: skip
CLOUDS = ("aws", "gcp", "azure")
# What each cloud is asked for everywhere, and the other rows, each in one of the clouds.
EVERYWHERE = {"T1", "T1b", "T3"}
ROWS = {
    "aws": EVERYWHERE | {"T2a", "T2b", "T2c", "T6a", "T6b", "T11a", "T11b"},
    "gcp": EVERYWHERE | {"T3b", "T5", "T7", "T7b"},
    "azure": EVERYWHERE | {"T4a", "T4b", "T8a", "T8b", "T8c", "T8d", "T8e", "T10"},
}
FAMILIES = {"aws": "T1,T2,T3,T6,T11", "gcp": "T1,T3,T5,T7", "azure": "T1,T3,T4,T8,T10"}
LIFE_ROWS = {"T9a", "T9b"}
PLANNER_ROWS = {"J3a", "J3b", "J3c", "J3d", "J3e", "J3f", "J3g"}
SDK_ROWS = {"SDKa", "SDKb"}
WEBHOOK_ROWS = {"WHa", "WHb"}
ALLOCATOR_ROWS = {"IPa", "IPb", "IPc", "IPd", "IPe", "IPf"}
# By cloud: mutations of a move, reads of a resync, lists that it must be made of.
COUNTS = {
    "aws": (1, 1, {"DescribeAddresses"}),
    "gcp": (3, 1, {"addresses.list"}),
    "azure": (2, 2, {"publicIPAddresses.listAll", "networkInterfaces.listAll"}),
}
# Half a minute each where nothing else runs.
SECONDS = 900
# Several control planes in one fixture, which counts as a part of its first test.
pytestmark = pytest.mark.timeout(2 * SECONDS)


@dataclass(frozen=True, slots=True)
class Report:
    """What one run left behind."""

    table: str
    content: Mapping[str, Any]

    @property
    def rows(self) -> dict[str, Any]:
        """By id; only for a run with one cloud."""
        return {row["id"]: row for row in self.content["rows"]}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program
        argv(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def argv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.bench", *arguments]


@pytest.fixture(scope="module")
def reports(
    cluster: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Report]]:
    """One run per cloud, side by side: each of them mostly waits."""
    del cluster  # only for its tools: built where missing, or a reason to skip
    folder = tmp_path_factory.mktemp("bench")
    with ExitStack() as opened:
        runs = {}
        for cloud in CLOUDS:
            path = folder / cloud / "bench.json"
            runs[cloud] = run = subprocess.Popen(  # noqa: S603 - our own program
                argv("--cloud", cloud, *SMALL, "--rows", FAMILIES[cloud], "--json", str(path)),
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            opened.enter_context(run)
            opened.callback(run.terminate)
        reported = {}
        for cloud, run in runs.items():
            table, progress = run.communicate(timeout=SECONDS)
            assert run.returncode == 0, progress[-3000:]
            content = json.loads((folder / cloud / "bench.json").read_text())
            reported[cloud] = Report(table, content)
        yield reported


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> str:
    """Each of the clouds."""
    return str(request.param)


def test_every_row_has_a_figure_and_a_verdict(reports: Mapping[str, Report], cloud: str) -> None:
    report = reports[cloud]
    wanted = ROWS[cloud]
    assert report.rows.keys() == wanted
    for row in report.rows.values():
        assert row["measured"] >= 0
        assert row["met"] == (row["measured"] <= row["target"])
        assert row["verdict"].startswith("met" if row["met"] else "missed by ")
        assert row["cloud"] == ("" if row["id"] in {"T8a", "T8b", "T8c"} else cloud)
    table = [line.split()[0] for line in report.table.splitlines()[2 : 2 + len(wanted)]]
    assert set(table) == wanted
    content = report.content
    assert (content["nodes"], content["addresses"], content["pods"]) == (40, 20, 80)
    assert content["clouds"] == [cloud]


def test_the_counts_hold_in_every_cloud(reports: Mapping[str, Report], cloud: str) -> None:
    rows = reports[cloud].rows
    changes, reads, lists = COUNTS[cloud]
    assert rows["T3"]["measured"] == changes
    assert rows["T1"]["measured"] == reads
    assert all(f"1 {op}" in rows["T1"]["note"] for op in lists)
    assert rows["T1b"]["measured"] == 0


def test_nothing_is_written_or_listed_at_rest(reports: Mapping[str, Report]) -> None:
    rows = reports["aws"].rows
    assert {rows[row]["measured"] for row in ("T2a", "T2b", "T2c")} == {0}


def test_a_failover_moves_what_it_must_and_nothing_else(reports: Mapping[str, Report]) -> None:
    row = reports["gcp"].rows["T7"]
    assert row["what"] == "10 of 20 addresses fail over"
    # The addresses are counted in the cloud, else there would be no row.
    assert "30 changes are needed" in row["note"]
    # An operation takes five seconds, and each address needs three, one after the other.
    assert row["measured"] > 15


def test_a_dead_leader_is_waited_for_a_leaving_one_is_not(
    reports: Mapping[str, Report],
) -> None:
    rows = reports["aws"].rows
    # The default Lease lasts 15 s from its last renewal, which is at most 2 s old.
    assert rows["T6a"]["measured"] > 12
    assert rows["T6b"]["measured"] < rows["T6a"]["measured"]


def test_no_label_goes_and_no_pod_leaves_for_a_failing_api(reports: Mapping[str, Report]) -> None:
    row = reports["azure"].rows["T10"]
    assert row["measured"] == 0
    reported = re.search(
        r"\((\d+) calls throttled, (\d+).* denied, (\d+).* failing, (\d+)", row["note"]
    )
    assert reported
    assert all(int(calls) > 0 for calls in reported.groups())


def test_the_lease_is_renewed_beside_allocations(reports: Mapping[str, Report]) -> None:
    row = reports["aws"].rows["T11b"]
    # Every two seconds where nothing is in the way.
    assert 1 < row["measured"] < 10


def test_a_restore_is_reported_apart_from_the_move(reports: Mapping[str, Report]) -> None:
    rows = reports["gcp"].rows
    assert rows["T3b"]["measured"] == 2
    # Both moves left a node that had given its own address up.
    assert "not counted: 2 instances.addAccessConfig" in rows["T3"]["note"]
    assert "not counted" not in reports["azure"].rows["T3"]["note"]


def test_the_seed_s_loops_are_those_of_its_source(reports: Mapping[str, Report]) -> None:
    # Computed by hand: the rewritten loops must agree.
    assert "3/2: 12, 10/5: 90, 50/20: 2,560" in reports["aws"].rows["T1"]["note"]


def test_without_a_row_that_needs_it_no_cluster_is_started(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "bench.json"
    arguments = (
        "--rows", "j3,sdk,t9,wh,ip", "--nodes", "100", "--random-runs", "100", "--live", "2000",
    )  # fmt: skip
    done = bench(*arguments, "--json", str(path))
    assert done.returncode == 0, done.stderr
    assert "control plane" not in done.stderr
    rows = {row["id"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows.keys() == PLANNER_ROWS | SDK_ROWS | LIFE_ROWS | WEBHOOK_ROWS | ALLOCATOR_ROWS
    assert {rows[row]["measured"] for row in LIFE_ROWS} == {0}
    assert "100 runs, seeds from 0" in rows["T9a"]["note"]
    # The seed's reads grow with almost the cube of the cluster.
    assert 2 < rows["J3a"]["seed"]["value"] < 3
    assert rows["SDKa"]["measured"] == 0
    # An allocator is measured beside others with as many addresses, and beats them even at 2,000.
    assert all(rows[row]["ratio"] > 1 for row in ALLOCATOR_ROWS)


def test_the_framework_is_measured_beside_a_bare_loop(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    done = bench("--rows", "fw", "--objects", "40", "--json", str(path))
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows.keys() == {"FWa", "FWb", "FWc", "FWd", "FWe"}
    assert rows["FWd"]["measured"] == 0, "a restart with everything converged writes nothing"
    assert "160 writes" in rows["FWa"]["note"], "four for each object, and no more"


def test_addresses_for_machines_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    done = bench("--rows", "mi", "--objects", "40", "--json", str(path))
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row["measured"] for row in json.loads(path.read_text())["rows"]}
    assert rows.keys() == {f"MI{letter}" for letter in "abcdefghijk"}
    assert (rows["MIb"], rows["MIf"], rows["MIi"]) == (4, 0, 0)


def test_the_admission_service_of_danm_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    done = bench("--rows", "dw", "--endpoints", "400", "--json", str(path))
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row["measured"] for row in json.loads(path.read_text())["rows"]}
    assert rows.keys() == {f"DW{letter}" for letter in "abcde"}
    assert min(rows.values()) > 0


def test_the_reclaim_controller_of_danm_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    done = bench("--rows", "da", "--endpoints", "400", "--json", str(path))
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row["measured"] for row in json.loads(path.read_text())["rows"]}
    assert rows.keys() == {f"DA{letter}" for letter in "abcd"}
    assert rows["DAb"] >= 10, "each of the networks is written, and its bits are free"


def test_external_addresses_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    done = bench("--rows", "ei", "--objects", "40", "--rest", "3", "--json", str(path))
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row["measured"] for row in json.loads(path.read_text())["rows"]}
    assert rows.keys() == {f"EI{letter}" for letter in "abcdefghi"}
    assert (rows["EIf"], rows["EIi"]) == (0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_external_addresses_on_nodes_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    sizes = ("--held", "6", "--outage", "2", "--rest", "3")
    done = bench("--rows", "el", *sizes, "--json", str(path))
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows.keys() == {f"EL{letter}" for letter in "abcdefgh"}
    assert {rows[row]["measured"] for row in ("ELb", "ELd", "ELe")} == {0}
    # The lease of the agent that was killed lasts five seconds from its last renewal.
    assert rows["ELa"]["measured"] > 3
    assert "in 1 fail-overs" in rows["ELa"]["note"]


async def test_whoever_waits_for_a_controller_that_has_ended_is_told(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no-kubeconfig")
    with Run.open() as run, pytest.raises(ChildError, match=r"moorage_external_ip-\w+ ended with"):
        async with running(run, "moorage_external_ip", nowhere, "first"):
            await asyncio.Event().wait()


ASTRAY = """
import sys
from tests.bench import living
sys.path.insert(0, str(living.SIMULATION))
from simulation import Simulation
simulation = Simulation()
simulation.add_node("n1")
simulation.add_node("n2")
simulation.allocate("a", "203.0.113.10")
simulation.settle()
found = [living.astray(simulation)]
simulation.cloud.assign("203.0.113.10", "vm-n2")
found.append(living.astray(simulation))
simulation.stored["a"].records = ()
print(*found, living.astray(simulation))
"""


def test_an_address_that_is_astray_or_forgotten_would_be_counted() -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", ASTRAY], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 1 1\n"


FIRST_VERSION = """
import asyncio
from moorage_endpoints.kinds import ENDPOINTS, SERVICES
from moorage_kube.client.kinds import PODS
from moorage_testing import virtual_time
from moorage_testing.harness import Scenario, World
from tests.bench import endpoints_cluster as made
from tests.bench import endpoints_seed as seed

async def start(client, world):
    await seed.FirstVersion(client).run()

def arrange(server):
    for number, space in enumerate(("shop", "elsewhere")):
        body = made.pod_body("web", space, {"app": "web"}, f"192.0.2.{number}")
        server.put(PODS, "web", space, metadata=body["metadata"], spec=body["spec"])
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "protocol": "TCP"}]}
    server.put(SERVICES, "web", "shop", metadata={"annotations": {seed.NETWORKS: "net"}}, spec=spec)
    server.put(ENDPOINTS, "web", "shop")

async def asked(world, change):
    before = len(world.server.asked)
    change()
    await world.pass_time(60.0)
    lately = [one.method + one.path.rpartition("shop/")[2] for one in world.server.asked[before:]]
    print(lately.count("PUTendpoints/web"), lately.count("POSTevents"))

async def main():
    world = World(Scenario(start, arrange))
    arrange(world.server)
    await asked(world, world.begin)
    change = {"metadata": {"labels": {"touched": "yes"}}}
    await asked(world, lambda: world.server.patch(PODS, "web", change, "shop"))
    await world.kill()
    await asked(world, world.begin)
    raw = world.server.find(ENDPOINTS, "web", "shop")
    print(*(one["ip"] for one in raw["subsets"][0]["addresses"]))
    await world.kill()
    keys, waits = seed.Keys(), []
    for _ in range(20):
        begun = asyncio.get_running_loop().time()
        keys.add("shop/web")
        await keys.next()
        waits.append(round(asyncio.get_running_loop().time() - begun, 3))
    print(waits[0], waits[11], waits[14], waits[19])
    bucket = seed.Bucket(10.0, 100.0)
    print([round(bucket.take()) for _ in range(12_000)][-1])

virtual_time.run(main())
"""


def test_the_first_version_of_endpoints_does_what_its_description_says() -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", FIRST_VERSION], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line[:1].isdecimal()]
    # Endpoints twice and four Events, for a change of no concern, too; once after a restart.
    assert said[:3] == ["2 4", "2 4", "1 2"]
    # Of a pod of another namespace, too.
    assert said[3] == "192.0.2.0 192.0.2.1"
    assert said[4] == "0.005 10.24 81.92 1000.0"
    # 1,000 Services, as many Endpoints, and 10,000 pods.
    assert said[5] == "1190"
