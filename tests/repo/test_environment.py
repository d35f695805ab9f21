"""Every variable with our prefix is one that a process knows: a setting, a provider's, or ours."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import entry_points

from moorage_core.settings import CoreSettings
from moorage_kube.manager.environment import OF_OUR_TESTS
from moorage_kube.manager.settings import environment_names

from .files import ROOT

_NAME = re.compile(r"\bMOORAGE_[A-Z0-9_]*[A-Z0-9]\b")


def named(pattern: str) -> set[str]:
    """The variables that source files name."""
    return {
        name
        for path in ROOT.glob(pattern)
        for name in _NAME.findall(path.read_text("utf-8"))
    }  # fmt: skip


def variables_of_providers() -> set[str]:
    """What the cloud plug-ins list."""
    points = entry_points(group="moorage.providers")
    return {name for point in points for name in import_module(point.module).VARIABLES}


def test_a_provider_lists_every_variable_that_it_names() -> None:
    assert named("packages/provider-*/src/**/*.py") == variables_of_providers()


def test_every_variable_that_tools_and_tests_name_is_known_to_a_controller() -> None:
    settings = {
        name for key, field in CoreSettings.model_fields.items()
        for name in environment_names(key, field)
    }  # fmt: skip
    used = named("noxfile.py") | named("packages/testing/src/**/*.py")
    assert used - variables_of_providers() - settings - OF_OUR_TESTS == set()
