"""Logs: one line a record, with fixed keys, and never a credential."""

from __future__ import annotations

import logging
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

from moorage_domain.redaction import redacted

LogFormat = Literal["json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

# Whoever writes an object may write a line break or a terminal's escape sequence into it. The
# separators of Unicode break lines too, for some readers.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TRIED_AGAIN = ("; will retry: ", "; will re-authenticate: ")
_COLOURS = {"DEBUG": "2", "INFO": "36", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


def configure(log_format: LogFormat = "json", level: LogLevel = "info") -> None:
    """Send all logging of the process to stderr in one format.

    ``json``: keys ``ts`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, then the record's
    extras, ``exception`` for a traceback. ``text``: for eyes, coloured only on a terminal; a record
    is one line whatever its message holds, and every line of a traceback begins with ``|``.
    """
    stream = logging.StreamHandler(sys.stderr)
    stream.addFilter(_Retries())
    stream.setFormatter(_Json() if log_format == "json" else _Text(colour=sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level.upper())
    # These log every request and handler call; whoever debugs them wants them alone.
    quiet = max(logging.WARNING, root.level)
    for noisy in ("kopf", "asyncio", "aiohttp.access", "aiohttp.server"):
        logging.getLogger(noisy).setLevel(quiet)
    logging.captureWarnings(capture=True)


def also_to_file(path: Path, log_format: LogFormat = "json") -> None:
    """Write all logging into a file, too: 1 MB, then a new one, and the last five are kept.

    Raises ``OSError`` where the file cannot be written.
    """
    file = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=5, encoding="utf-8")
    file.addFilter(_Retries())
    file.setFormatter(_Json() if log_format == "json" else _Text(colour=False))
    logging.getLogger().addHandler(file)


def on_one_line(text: str) -> str:
    """``text`` with control characters as ``repr`` shows them."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class _Retries(logging.Filter):
    """What kopf tries again by itself is a warning, though it says so as an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("kopf") or record.levelno != logging.ERROR:
            return True
        message = record.getMessage()
        if any(text in message for text in _TRIED_AGAIN):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class _Json(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            ("levelname", "name", "message"),
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            timestamp="ts",
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        record: dict[str, Any] = super().process_log_record(log_data)
        # Kopf hangs its whole settings and the object's reference on its records.
        for baggage in ("settings", "k8s_ref", "k8s_skip", "taskName"):
            record.pop(baggage, None)
        return {"ts": record.pop("ts", None)} | record | {"level": record["level"].lower()}

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class _Text(logging.Formatter):
    def __init__(self, *, colour: bool) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        line = redacted(super().format(record))
        if not self._colour:
            return line
        return f"\x1b[{_COLOURS.get(record.levelname, '0')}m{line}\x1b[0m"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        return on_one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 - the library's name and type
        return _barred(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - the library's name
        return _barred(super().formatStack(stack_info))


def _barred(text: str) -> str:
    """Lines that cannot be taken for records, whoever wrote what is in them."""
    return "\n".join(f"  | {on_one_line(line)}" for line in text.split("\n"))
