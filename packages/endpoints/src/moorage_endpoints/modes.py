"""Modes: what is done for a Service that names a network and has a selector of its own."""

from __future__ import annotations

import enum


class Mode(enum.Enum):
    """The values of the annotation ``moorage.dev/mode``."""

    HANDOVER = "handover"
    """Its selector is kept in an annotation, so that nobody but us writes its endpoints."""
    COMPANION = "companion"
    """A second Service beside it has the endpoints in the network; it stays as it is."""
    LEGACY = "legacy"
    """Its Endpoints are rewritten, as the first version did: nothing reads them any more."""
    REPORT = "report"
    """Nothing is written; an Event says what to do."""
