"""A manager as a process on kopf, from its settings to its exit code."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator
from typing import Any, cast

from moorage_domain.kinds import Kind
from moorage_kube.cache.kopf_source import KopfSource
from moorage_kube.client.connection import ConfigError, Connection, load_connection
from moorage_kube.manager import garbage
from moorage_kube.manager.kopf_alone import kopf
from moorage_kube.manager.lifecycle import Lifecycle
from moorage_kube.manager.login import log_in
from moorage_kube.manager.manager import Setup
from moorage_kube.manager.settings import EXIT_BAD_SETTINGS, CommonSettings
from moorage_kube.manager.shutdown import end_forgotten_watches, leave_within
from moorage_kube.manager.termination import explain, refuse
from moorage_kube.telemetry import logs
from moorage_kube.telemetry.probes import ProbesFailed

logger = logging.getLogger(__name__)

EXIT_FAILED = 1
LOGIN_SECONDS = 5.0
"""Between attempts to get credentials."""
_LARGE_METADATA = frozenset({"annotations", "labels", "managedFields"})
CLOSED_SECONDS = 1.0
"""How long the process may last once everything is closed."""


def run(settings: CommonSettings, setup: Setup) -> int:
    """Run a manager until it is stopped or cannot go on; returns the exit code.

    0: stopped by SIGTERM or SIGINT, the actions in hand finished and the Lease released.
    1: leadership lost, or a task died without which there is no point in going on.
    2: it cannot start as configured; one line on stderr says what to change.
    """
    logs.configure(settings.log_format, settings.log_level)
    for what in settings.ineffective():
        logger.warning("%s", what)
    try:
        connection = load_connection(settings.kubeconfig)
        for risk in connection.risks():
            logger.warning("%s", risk)
        return asyncio.run(_operate(settings, connection, setup))
    except (ConfigError, ProbesFailed) as error:
        refuse(settings.prog, str(error))
        return EXIT_BAD_SETTINGS
    except KeyboardInterrupt:
        return EXIT_FAILED


async def _operate(settings: CommonSettings, connection: Connection, setup: Setup) -> int:
    lifecycle = Lifecycle(settings, connection, setup)
    try:
        await lifecycle.open()
        garbage.settle()
        registry = kopf.OperatorRegistry()
        _register_activities(registry, lifecycle, connection)
        for informer in lifecycle.manager.informers:
            if isinstance(informer.source, KopfSource):
                _register_watch(registry, informer.kind, informer.source)
        await kopf.operator(
            registry=registry,
            settings=_kopf_settings(),
            clusterwide=True,
            standalone=True,
            # Else kopf asks who the user is, and ends where the uid has no name.
            identity=cast("Any", lifecycle.user_agent),
            stop_flag=lifecycle.stop_wanted,
        )
    except (ConfigError, ProbesFailed):
        raise
    except Exception as error:  # noqa: BLE001 - kopf logged it, with its traceback
        logger.critical("kopf ended, and so does the process: %s", error)
        explain(f"kopf ended: {error}")
        return EXIT_FAILED
    finally:
        # Nothing is left to do here unless kopf gave up before its clean-up.
        await _stop(lifecycle)
    return lifecycle.exit_code


async def _stop(lifecycle: Lifecycle) -> None:
    if await lifecycle.stop():
        leave_within(CLOSED_SECONDS, lambda: lifecycle.exit_code)


class EndlessBackoff:
    """Pauses in seconds between kopf's attempts at one request, never running out.

    With kopf's own finite ones an API server that is away for a minute ends the process.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((1.0, 1.0, 2.0, 3.0, 5.0, 8.0), itertools.repeat(10.0))


class NoDifferences(kopf.DiffBaseStorage):
    """What kopf shall know of an object to tell changes apart: nothing.

    No handler here asks for them, and kopf copies each object whole, with each event of it.
    """

    def build(self, **_: object) -> kopf.BodyEssence:
        """Of an object as it is now."""
        return cast("kopf.BodyEssence", {})

    def fetch(self, **_: object) -> kopf.BodyEssence | None:
        """Of an object as it was."""
        return None

    def store(self, **_: object) -> None:
        """Nothing is written into objects."""


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # Kinds are discovered once; watching CRDs and namespaces needs rights and memory.
    settings.scanning.disabled = True
    # Kopf removes its finalizer from objects that need none. Under this name it never finds one,
    # so it never writes, also where a kopf-based predecessor left its finalizer.
    settings.persistence.finalizer = "moorage.dev/never-set"
    settings.persistence.diffbase_storage = NoDifferences()
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 10.0
    settings.watching.server_timeout = 300  # an integer on the wire
    # A handler only takes the object: by default kopf keeps a task of each for five seconds more.
    settings.queueing.idle_timeout = 0.1
    settings.queueing.exit_timeout = 1.0
    return settings


def _register_activities(
    registry: kopf.OperatorRegistry, lifecycle: Lifecycle, connection: Connection
) -> None:
    user_agent = lifecycle.user_agent

    @kopf.on.login(registry=registry, id="login", backoff=LOGIN_SECONDS)
    async def login(**_: object) -> kopf.AiohttpSession:
        return await log_in(connection, user_agent)

    @kopf.on.startup(registry=registry, id="start", errors=kopf.ErrorsMode.PERMANENT)
    async def start(**_: object) -> None:
        try:
            await lifecycle.start()
        except asyncio.CancelledError:
            # Stopped before it was up: kopf skips its clean-up then.
            await _stop(lifecycle)
            raise

    @kopf.on.cleanup(registry=registry, id="stop", errors=kopf.ErrorsMode.PERMANENT)
    async def stop(**_: object) -> None:
        await _stop(lifecycle)
        end_forgotten_watches()


def _register_watch(registry: kopf.OperatorRegistry, kind: Kind, source: KopfSource) -> None:
    # Only `on.event`: every other handler makes kopf write annotations into the objects.
    @kopf.on.event(
        kind.group, kind.version, kind.plural, registry=registry, id=f"{kind.plural}.{kind.group}"
    )
    async def push(event: kopf.RawEvent, **_: object) -> None:
        raw = cast("dict[str, Any]", event["object"])
        source.push(event["type"], raw)
        _drop_large_parts(raw)


def _drop_large_parts(raw: dict[str, Any]) -> None:
    """Take away what is large of an object that kopf reports, and has no use for itself.

    Kopf ties each into a cycle, which lasts until the garbage collector has counted enough of
    them, however large they are: with 500 addresses 100 MiB in a quarter of an hour.
    """
    for part in ("spec", "status"):
        raw.pop(part, None)
    # The source has the metadata as it was.
    meta = raw["metadata"]
    raw["metadata"] = {key: value for key, value in meta.items() if key not in _LARGE_METADATA}
