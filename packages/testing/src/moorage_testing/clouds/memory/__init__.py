"""A cloud in this process, as strict as a real one and cheap enough for thousands of runs."""

from moorage_testing.clouds.memory.cloud import ONE_CALL, TWO_STEPS, MemoryCloud
from moorage_testing.clouds.memory.provider import MemoryProvider, create, published

__all__ = ["ONE_CALL", "TWO_STEPS", "MemoryCloud", "MemoryProvider", "create", "published"]
