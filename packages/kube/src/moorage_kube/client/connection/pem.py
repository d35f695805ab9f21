"""PEM text: given once, or in a file that is replaced while we run."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)


class PemFile:
    """PEM text in a file; read again when the file is another one than before."""

    def __init__(self, path: Path) -> None:
        """Raises ``OSError`` where the file cannot be read."""
        self._path = path
        self._stamp = self._stamp_now()
        self._text = plain(path.read_bytes())
        self._unreadable = False

    def text(self) -> str:
        """The text now; the last one known where the file cannot be read."""
        try:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._text = plain(self._path.read_bytes())
                self._stamp = stamp
            self._unreadable = False
        except OSError as error:
            if not self._unreadable:
                logger.warning(
                    "%s cannot be read (%s), what it held stays", self._path, error.strerror
                )
            self._unreadable = True
        return self._text

    def _stamp_now(self) -> tuple[int, int, int]:
        # The inode too: a mounted Secret is renewed by turning a symbolic link.
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


Pem = str | PemFile


def plain(content: bytes) -> str:
    """PEM without what is not ASCII: only comments may hold that, and the ssl module refuses it."""
    return content.decode("ascii", errors="ignore")


def text_of(pem: Pem) -> str:
    """The PEM text now."""
    return pem if isinstance(pem, str) else pem.text()
