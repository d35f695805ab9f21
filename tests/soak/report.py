"""The report: one table for people, one file for machines, and the logs if needed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .judged import Row
from .trial import Trial

CLEAN = "clean"
_HEADS = ("what", "target", "measured", "verdict")
_WIDTH = 100


def verdict(rows: Sequence[Row]) -> str:
    """One word, or the missed targets."""
    missed = [row.what for row in rows if not row.met]
    return f"not clean: {'; '.join(missed)}" if missed else CLEAN


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, their notes below."""
    lines = [_HEADS, *((row.what, row.target, row.measured, row.verdict) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    drawn = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    drawn.insert(1, "  ".join("-" * width for width in widths))
    notes = [
        textwrap.fill(f"{row.what}: {row.note}", _WIDTH, subsequent_indent="    ")
        for row in rows
        if row.note
    ]
    return "\n".join([*drawn, "", *notes, "", f"verdict: {verdict(rows)}"])


def write_json(trial: Trial, rows: Sequence[Row]) -> None:
    """Write the table with the sizes, the machine and all samples."""
    options = trial.options
    content = {
        "verdict": verdict(rows),
        "part": options.part,
        "minutes": options.minutes,
        **trial.scene.sizes(),
        "errors": options.errors,
        "kills": options.kills,
        "seed": options.seed,
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "rows": [row.as_json() for row in rows],
        "calm_at": trial.calm_at,
        "over_at": trial.over_at,
        "processes": [
            {
                "name": replica.child.name,
                "killed": replica.killed,
                "samples": [asdict(sample) for sample in replica.samples],
            }
            for replica in trial.replicas.all
        ],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def keep_logs(trial: Trial) -> Path:
    """Copy the controllers' logs, which are deleted with the run, to a folder beside the
    figures."""
    folder = trial.options.json.with_suffix(".logs")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for replica in trial.replicas.all:
        shutil.copy(replica.child.log, folder)
    return folder
