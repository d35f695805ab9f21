"""Has moto read less when it is imported: import this before anything else of moto's EC2.

As it is, it reads what instance types every region offers, a hundred files, which stay as hundreds
of thousands of objects for each garbage collection to visit, and botocore's endpoints three times.
No instance here is chosen by such an offer.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from unittest import mock

import moto.utilities.utils as resources
from botocore.loaders import JSONFileLoader

UNREAD = "ec2/resources/instance_type_offerings/"


def _but_offers(load: Callable[[str], object]) -> Callable[[str], object]:
    return lambda resource: [] if resource.startswith(UNREAD) else load(resource)


@contextlib.contextmanager
def _reading_less() -> Iterator[None]:
    # Kept for the import alone: later on whoever loads a model may change it.
    once = functools.cache(JSONFileLoader().load_file)
    with (
        mock.patch.object(resources, "load_resource", _but_offers(resources.load_resource)),
        mock.patch.object(JSONFileLoader, "load_file", lambda _, path: once(path)),
    ):
        yield


with _reading_less():
    import moto.ec2.models  # noqa: F401 - now, while it reads less
