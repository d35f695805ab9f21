"""The configuration file of Machines: read at start, and again whenever it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from moorage_machine_ipam.machine.hook_config import HookConfig, HookConfigError, parse_hook_config
from moorage_machine_ipam.machine.hook_yaml import SIZE_LIMIT_BYTES
from moorage_machine_ipam.machine.hooks import LifecycleHook

logger = logging.getLogger(__name__)

POLL_SECONDS = 5.0
"""A mounted ConfigMap changes without a word, by other links to other files."""


class HookFile:
    """A configuration that is kept as it is while its file makes no sense.

    Where it makes none from the beginning there is none: claims are served all the same, and no
    hook and no record of a Machine is lost.

    Attributes:
        config: ``None`` = there was never one that can be used.
        former: hooks that it named before, as long as this process has run.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.config: HookConfig | None = None
        self.former: frozenset[LifecycleHook] = frozenset()
        self._text: str | None = None
        self._problem = ""
        self._listeners: list[Callable[[], None]] = []
        try:
            self._text = _text(path)
            self.config = parse_hook_config(self._text)
        except HookConfigError as error:
            self._refuse(str(error))

    def unusable(self) -> str | None:
        """Why no Machine can get addresses; ``None`` = they can."""
        return None if self.config else f"{self.path}: {self._problem}"

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call whenever there is another configuration."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Look at the file every few seconds, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.refresh()

    def refresh(self) -> None:
        """Read it again; each mistake is one line in the log."""
        before, self._text = self._text, None
        try:
            self._text = _text(self.path)
            # Most of the time it is the same, and need not be parsed.
            if self._text == before:
                return
            new = parse_hook_config(self._text)
        except HookConfigError as error:
            self._refuse(str(error))
            return
        if self._problem:
            logger.info("%s can be used again", self.path)
        self._problem = ""
        if new != self.config:
            self._take(new)

    def _refuse(self, problem: str) -> None:
        if problem != self._problem:
            instead = "the one before is" if self.config else "until then no Machine gets addresses"
            logger.warning("%s is not used, %s: %s", self.path, instead, problem)
        self._problem = problem

    def _take(self, new: HookConfig) -> None:
        old, self.config = self.config, new
        ranges = ", ".join(one.cidr for one in new.ranges)
        logger.info("%s has changed: addresses come from %s", self.path, ranges)
        if old is not None and old.hook != new.hook:
            self.former = (self.former | {old.hook}) - {new.hook}
            logger.warning(
                "%s: lifecycle-hook was %s, and is %s; write the new one into MachineSets, and"
                " replace Machines that wait by the old one",
                self.path,
                old.hook,
                new.hook,
            )
        for listener in self._listeners:
            listener()


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            # One more than is allowed: the parser then says that it is too much.
            return file.read(SIZE_LIMIT_BYTES + 1).decode()
    except OSError as error:
        raise HookConfigError(
            f"it cannot be read: {error.strerror}; give an existing file"
        ) from error
    except UnicodeDecodeError as error:
        raise HookConfigError("it is no text in UTF-8; write it again") from error
