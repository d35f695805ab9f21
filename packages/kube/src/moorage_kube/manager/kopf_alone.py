"""Kopf without the official client of Kubernetes, which it imports wherever that is installed.

It wants two classes of it, to know objects by that nobody here gives to it, and all else comes
along: half a second of each start. What needs that client imports it where it does.
"""

from __future__ import annotations

import importlib
import sys

CLIENT = "kubernetes"


def _import_alone() -> None:
    if CLIENT in sys.modules:
        return
    sys.modules[CLIENT] = None  # type: ignore[assignment]  # so Python is told that there is none
    try:
        importlib.import_module("kopf")
    finally:
        del sys.modules[CLIENT]


_import_alone()

import kopf  # noqa: E402 - only from here on may it be imported

__all__ = ["kopf"]
