"""A lab of real network namespaces: nodes and a client on one switch, and faults between them."""

from moorage_testing.lab.client import Client, Watch
from moorage_testing.lab.gate import Gate
from moorage_testing.lab.namespace import Namespace
from moorage_testing.lab.network import Lab, LabUnavailableError, Station, start
from moorage_testing.lab.probes import Probes, Question
from moorage_testing.lab.requests import Requests, reaching, requesting

__all__ = [
    "Client",
    "Gate",
    "Lab",
    "LabUnavailableError",
    "Namespace",
    "Probes",
    "Question",
    "Requests",
    "Station",
    "Watch",
    "reaching",
    "requesting",
    "start",
]
