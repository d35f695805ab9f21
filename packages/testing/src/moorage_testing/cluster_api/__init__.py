"""The kinds of Cluster API that addresses are asked for with, as it ships them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml


def ipam_crds() -> list[dict[str, Any]]:
    """IPAddressClaim and IPAddress, v1beta1 and v1beta2.

    Where Cluster API runs, a webhook converts between the two; here their fields are kept as they
    are, which is the same for all that a provider writes.
    """
    text = files(__package__).joinpath("ipam.yaml").read_text("utf-8")
    return list(yaml.safe_load_all(text))
