"""The provider contract: a plug-in's tests inherit it and provide their cloud.

``class TestMyCloud(ProviderContract)`` overrides two fixtures: ``world``, a ``ContractWorld``, and
``opening``, which makes a provider with a deadline in seconds. A third, ``opening_elsewhere``, does
the same for another scope, where the cloud has more than one.
"""

import pytest

# Before the import, or its assertions say nothing about the values; its modules are meant, too.
pytest.register_assert_rewrite("moorage_testing.contract.suite")

from moorage_testing.contract.suite import ProviderContract  # noqa: E402  # see above
from moorage_testing.contract.world import (  # noqa: E402  # see above
    IMPATIENT_SECONDS,
    PATIENT_SECONDS,
    SLOW_SECONDS,
    ContractWorld,
    CountedStep,
    FailingStep,
    Failure,
    Step,
)

__all__ = [
    "IMPATIENT_SECONDS",
    "PATIENT_SECONDS",
    "SLOW_SECONDS",
    "ContractWorld",
    "CountedStep",
    "FailingStep",
    "Failure",
    "ProviderContract",
    "Step",
]
