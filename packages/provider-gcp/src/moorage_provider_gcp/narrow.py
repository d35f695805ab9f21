"""A package of which only the submodules that are asked for are imported."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any


def narrow(name: str) -> None:
    """Let later imports from a package not run its ``__init__``, and with it all it imports.

    That of google-cloud-compute imports the clients of a hundred services, which takes 40 MiB and
    a second. Whoever asks the package for what is no submodule still gets the whole of it; one
    that is imported already stays as it is.

    Args:
        name: the package's, in full. Raises ``ModuleNotFoundError`` where there is none.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module named {name!r}", name=name)
    loader, package = spec.loader, importlib.util.module_from_spec(spec)

    def missing(attribute: str) -> Any:  # noqa: ANN401 - whatever the package has
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        try:
            return importlib.import_module(f"{name}.{attribute}")
        except ModuleNotFoundError:
            del vars(package)["__getattr__"]
            loader.exec_module(package)
            return getattr(package, attribute)

    vars(package)["__getattr__"] = missing
    sys.modules[name] = package
