"""The command line: sizes, rows, and the output file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .arguments import Parser, positive
from .clouds import CLOUDS, Cloud
from .rows import FAMILIES

MOST_ADDRESSES = 512  # of one NetIPAllocation
MOST_BY_DEFAULT = 500
MOST_LIVE = 8_000_000  # one row has every other address of a /8
PODS_PER_NODE = 20
MOST_FEW_MOVES = 5
MOST_HANDOVERS = 3
STORMS = 4

_DESCRIPTION = """\
Measures what Moorage promises in figures, here and now, and prints one table: target, measured,
the seed's way at the same size, verdict. Nothing is taken from an earlier run.

  T1  cloud reads per resync at rest                 T2  cloud writes and API requests at rest
  T3  cloud mutations per move                       T4  drained -> first cloud write
  T5  drained -> bound elsewhere, slow cloud         T6  leader killed or ended -> successor works
  T7  half of the addresses fail over at once        T8  planner CPU, memory, time to readiness
  T9  addresses lost or doubled in random runs       T10 labels and pods lost to a failing API
  T11 memory and Lease beside a tenant that writes and deletes
  J3  how the planner's cost grows with the cluster  SDK what cloud SDKs that are not used cost
  FW  the framework beside the API server's limit    WH  what a webhook server answers
  IP  an allocator with a million live addresses     MI  addresses for machines: a burst, a restart
  EI  external addresses: decisions, a burst         EL  external addresses on nodes: fail-over
  NA  Services over secondary networks: start, changes, restart
  DA  addresses of danm: a node is fenced; a start   DW  the admission service of danm

T1 to T7, T10, T11 and parts of T8 start, cloud after cloud, a control plane with fake nodes, the
cloud emulated in a process of its own, and the real controller under its own rights; T1 does so
again with a tenth of the nodes. T9 is a simulation. EL has agents in network namespaces, which
needs root. A missed target is told, not an error.
"""
_EPILOG = """\
Sizes below the default are for trying the tool out; the targets are meant for the default.

  everything, full size, cloud after cloud:  python -m tests.bench
  one cloud, smaller:                        python -m tests.bench --cloud gcp --nodes 100
  the planner alone, in seconds:             python -m tests.bench --rows J3
  a webhook server, on a quiet machine:      python -m tests.bench --rows WH
  a figure of one cloud:                     python -m tests.bench --cloud aws --rows T7
  small, as in CI:  python -m tests.bench --nodes 40 --pods 80 --resyncs 1 --moves 2 --storm 5
"""


@dataclass(frozen=True, slots=True)
class Options:
    """The options; ``rows`` are families such as ``T8``."""

    clouds: tuple[Cloud, ...]
    nodes: int
    addresses: int
    pods: int
    resyncs: int
    moves: int
    storm: int
    random_runs: int
    objects: int
    endpoints: int
    live: int
    rest: int
    held: int
    outage: int
    rows: frozenset[str]
    json: Path

    @property
    def few_moves(self) -> int:
        """The number of moves where each takes seconds, or is only counted."""
        return min(self.moves, MOST_FEW_MOVES)

    @property
    def handovers(self) -> int:
        """The number of leader changes."""
        return min(1 + self.moves // 10, MOST_HANDOVERS)

    @property
    def most_moves(self) -> int:
        """Moves of all rows, each to a new node; T7 leaves all nodes uncordoned."""
        return self.moves + 2 * self.few_moves + 2 * self.handovers + STORMS

    def with_nodes(self, nodes: int) -> Options:
        """The same addresses with another number of nodes, each with only its workload pod."""
        return replace(self, nodes=nodes, pods=nodes)


def parse(argv: Sequence[str] | None = None) -> Options:
    """Options from the command line; ``SystemExit`` 2 with one line where they are invalid."""
    parser = _parser()
    given = parser.parse_args(argv)
    rows = _chosen(parser, "rows", [part.upper() for part in given.rows.split(",")], FAMILIES)
    names = _chosen(parser, "cloud", given.cloud.split(","), CLOUDS)
    options = Options(
        clouds=tuple(cloud for name, cloud in CLOUDS.items() if name in names),
        nodes=given.nodes,
        addresses=given.addresses or min(MOST_BY_DEFAULT, given.nodes // 2),
        pods=given.pods or given.nodes * PODS_PER_NODE,
        resyncs=given.resyncs,
        moves=given.moves,
        storm=given.storm,
        random_runs=given.random_runs,
        objects=given.objects,
        endpoints=given.endpoints,
        live=given.live,
        rest=given.rest,
        held=given.held,
        outage=given.outage,
        rows=rows,
        json=given.json,
    )
    if complaint := _complaint(options):
        parser.error(complaint)
    return options


def _chosen(
    parser: Parser, what: str, names: Sequence[str], known: Iterable[str]
) -> frozenset[str]:
    chosen = frozenset(part.strip() for part in names)
    if unknown := sorted(chosen - set(known)):
        kind = {"rows": "row"}.get(what, what)
        parser.error(f"--{what}: there is no {kind} {unknown[0]!r}; there are {','.join(known)}")
    return chosen


def _complaint(options: Options) -> str:
    """Why these sizes are invalid, ``""``: they are valid."""
    if options.addresses > MOST_ADDRESSES:
        return f"--addresses: one NetIPAllocation has at most {MOST_ADDRESSES}"
    if options.live > MOST_LIVE:
        return f"--live: at most {MOST_LIVE} in a /8"
    # T7 alone moves half of the addresses at once.
    needed = options.addresses + max(options.most_moves, options.addresses // 2)
    if options.nodes < needed:
        return (
            f"--nodes: {options.nodes} are too few; {options.addresses} addresses and up to"
            f" {needed - options.addresses} moves, each to a fresh node, need {needed}"
        )
    if options.pods < options.nodes:
        return f"--pods: every one of the {options.nodes} nodes needs one of the workload's"
    return ""


def _parser() -> Parser:
    parser = Parser("tests.bench", _DESCRIPTION, _EPILOG)

    def count(name: str, default: int | None, text: str, default_text: str = "") -> None:
        note = f"{text} (default {default_text or default})"
        parser.add_argument(name, type=positive, default=default, metavar="N", help=note)

    half = f"one for two nodes, but {MOST_BY_DEFAULT} at most"
    count("--nodes", 1000, "nodes, all of one pool")
    count("--addresses", None, f"reserved addresses, at most {MOST_ADDRESSES}", half)
    count("--pods", None, "pods, spread over the nodes", f"{PODS_PER_NODE} for each node")
    count("--resyncs", 10, "looks at the cloud to count over, five seconds apart")
    count("--moves", 30, "drains to time, one after the other")
    count("--storm", 20, "seconds for which all calls to the cloud fail, in four ways")
    count("--random-runs", 10_000, "simulated lives of a small cluster")
    count("--objects", 10_000, "objects, where their number matters: FW, MI, EI, NA, T11")
    count("--endpoints", 50_000, "DanmEps, and pods, that the admission service of danm knows")
    count("--live", 1_000_000, "live addresses of the allocator")
    count("--rest", 30, "seconds for which the controller of external addresses is watched at rest")
    count("--held", 500, "external addresses on the nodes of the lab")
    count("--outage", 60, "seconds for which the API server of the lab does not answer")
    parser.add_argument(
        "--cloud",
        default=",".join(CLOUDS),
        metavar="NAMES",
        help=f"only these, by commas: {','.join(CLOUDS)} (default all)",
    )
    parser.add_argument(
        "--rows",
        default=",".join(FAMILIES),
        metavar="IDS",
        help=f"only these, by commas: {','.join(FAMILIES)} (default all)",
    )
    return parser
