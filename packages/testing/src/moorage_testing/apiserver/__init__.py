"""A double of the Kubernetes API server: one state machine, over HTTP or without sockets."""

from moorage_testing.apiserver.faults import Fault
from moorage_testing.apiserver.messages import Answer, Asked, Dropped, Refusal
from moorage_testing.apiserver.server import ApiServer
from moorage_testing.apiserver.sockets import TOKEN, serve, serve_with_client
from moorage_testing.apiserver.transport import MemoryTransport, client_in_memory

__all__ = [
    "TOKEN",
    "Answer",
    "ApiServer",
    "Asked",
    "Dropped",
    "Fault",
    "MemoryTransport",
    "Refusal",
    "client_in_memory",
    "serve",
    "serve_with_client",
]
