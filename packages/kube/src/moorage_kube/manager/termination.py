"""Why a process ends: one line for the log, and the termination message of its pod."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from moorage_domain.redaction import redacted
from moorage_kube.telemetry.logs import on_one_line

MESSAGE = Path("/dev/termination-log")
"""What the kubelet puts there by default; ``kubectl describe pod`` shows what is in it."""
MOST_BYTES = 4096
"""The kubelet reads no more."""


def explain(reason: str) -> None:
    """Leave the reason in the termination message, if this is a pod that has one."""
    # Elsewhere a file of this name is somebody else's.
    if "KUBERNETES_SERVICE_HOST" not in os.environ or not MESSAGE.is_file():
        return
    text = on_one_line(redacted(reason)).encode(errors="replace")[:MOST_BYTES]
    # What is cut in the middle of a character would not be text any more.
    whole = text.decode(errors="ignore")
    with suppress(OSError):
        MESSAGE.write_text(whole, encoding="utf-8")


def refuse(prog: str, reason: str) -> None:
    """Say in one line why the process cannot start as it is configured."""
    line = f"{prog}: {on_one_line(redacted(reason))}"
    sys.stderr.write(f"{line}\n")
    explain(line)
