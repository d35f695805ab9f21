"""Imports single submodules of a package without the whole package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any


def narrow(name: str) -> None:
    """Make later imports from a package skip its ``__init__`` and all that it imports.

    The ``__init__`` of google-cloud-compute imports the clients of a hundred services, which takes
    40 MiB and a second. An import of anything but a submodule still imports the whole package; a
    package that is already imported stays as it is.

    Args:
        name: full name of the package. Raises ``ModuleNotFoundError`` if it does not exist.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module named {name!r}", name=name)
    loader, package = spec.loader, importlib.util.module_from_spec(spec)

    def missing(attribute: str) -> Any:  # noqa: ANN401 - any attribute of the package
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
