"""The operator shell: a controller as a process on kopf, from its settings to its exit code."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
from collections.abc import Iterator
from typing import Any, cast

import kopf

from moorage_kube.cache.kopf_source import Feed
from moorage_kube.client.connection import ConfigError, Connection, load_connection
from moorage_kube.manager.login import log_in
from moorage_kube.manager.manager import Build, Controller, Operation, Ports
from moorage_kube.manager.settings import EXIT_BAD_SETTINGS, CommonSettings
from moorage_kube.manager.shutdown import end_forgotten_watches, leave
from moorage_kube.telemetry import logs
from moorage_kube.telemetry.probes import ProbesFailed

__all__ = ["Controller", "Ports", "Shell", "leave"]

logger = logging.getLogger(__name__)

EXIT_CLEAN = 0
EXIT_FAILED = 1
LOGIN_SECONDS = 5.0
"""Between attempts to get credentials."""


class Shell:
    """Runs a controller until it is told to stop or may not go on."""

    def __init__(self, settings: CommonSettings, build: Build) -> None:
        self._settings = settings
        self._build = build

    def run(self) -> int:
        """Run, and say how it ended.

        0: stopped by SIGTERM or SIGINT, the steps in hand finished and the Lease released.
        1: leadership lost, or a task died without which there is no point in going on.
        2: it cannot start as configured; one line on stderr says what to change.
        """
        logs.configure(self._settings.log_format, self._settings.log_level)
        try:
            connection = load_connection(self._settings.kubeconfig)
            return asyncio.run(self._operate(connection))
        except (ConfigError, ProbesFailed) as error:
            sys.stderr.write(f"{self._settings.prog}: {error}\n")
            return EXIT_BAD_SETTINGS
        except KeyboardInterrupt:
            return EXIT_FAILED

    async def _operate(self, connection: Connection) -> int:
        operation = Operation(self._settings, connection, self._build)
        try:
            await operation.open()
            registry = kopf.OperatorRegistry()
            _register_activities(registry, operation, connection)
            for feed in operation.controller.feeds:
                _register_feed(registry, feed)
            await kopf.operator(
                registry=registry,
                settings=_kopf_settings(),
                clusterwide=True,
                standalone=True,
                stop_flag=operation.stop_wanted,
            )
        except (ConfigError, ProbesFailed):
            raise
        except Exception as error:  # noqa: BLE001 - kopf logged it, with its traceback
            logger.critical("kopf ended, and so does the process: %s", error)
            return EXIT_FAILED
        finally:
            # Nothing is left to do here unless kopf gave up before its clean-up.
            await operation.stop()
        return operation.exit_code


class EndlessBackoff:
    """Pauses in seconds between kopf's attempts at one request, never running out.

    With kopf's own finite ones an API server that is away for a minute ends the process.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((1.0, 1.0, 2.0, 3.0, 5.0, 8.0), itertools.repeat(10.0))


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # Which kinds there are is looked up once; watching CRDs and namespaces needs rights and memory.
    settings.scanning.disabled = True
    # Kopf takes its finalizer off objects that need none. Under this name it never finds one,
    # so it never writes, also where a kopf-based predecessor left its marks.
    settings.persistence.finalizer = "moorage.dev/never-set"
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 10.0
    settings.watching.server_timeout = 300  # an integer on the wire
    settings.queueing.exit_timeout = 1.0
    return settings


def _register_activities(
    registry: kopf.OperatorRegistry, operation: Operation, connection: Connection
) -> None:
    user_agent = operation.user_agent

    @kopf.on.login(registry=registry, id="login", backoff=LOGIN_SECONDS)
    async def login(**_: object) -> kopf.AiohttpSession:
        return await log_in(connection, user_agent)

    @kopf.on.startup(registry=registry, id="start", errors=kopf.ErrorsMode.PERMANENT)
    async def start(**_: object) -> None:
        try:
            await operation.start()
        except asyncio.CancelledError:
            # Stopped before it was up: kopf skips its clean-up then.
            await operation.stop()
            raise

    @kopf.on.cleanup(registry=registry, id="stop", errors=kopf.ErrorsMode.PERMANENT)
    async def stop(**_: object) -> None:
        await operation.stop()
        end_forgotten_watches()


def _register_feed(registry: kopf.OperatorRegistry, feed: Feed[Any]) -> None:
    kind = feed.kind

    # Only `on.event`: every other handler makes kopf write its marks into the objects.
    @kopf.on.event(
        kind.group, kind.version, kind.plural, registry=registry, id=f"{kind.plural}.{kind.group}"
    )
    async def tell(event: kopf.RawEvent, **_: object) -> None:
        raw = cast("dict[str, Any]", event["object"])
        feed.tell(event["type"], raw)
        _let_go(raw)


def _let_go(raw: dict[str, Any]) -> None:
    """Take away what is large of an object that kopf tells of, and has no use for itself.

    Kopf ties each into a cycle, which lasts until the garbage collector has counted enough of
    them, however large they are: with 500 addresses 100 MiB in a quarter of an hour.
    """
    for part in ("spec", "status"):
        raw.pop(part, None)
    raw["metadata"].pop("managedFields", None)
