"""What to do about the addresses of a node; pure."""

from moorage_node_agent.decide.node import decide

__all__ = ["decide"]
