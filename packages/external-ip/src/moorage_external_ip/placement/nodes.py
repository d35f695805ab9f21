"""Nodes: what is known of each, put together from its Node and the Lease of its agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from moorage_external_ip.placement.live import Liveness
from moorage_external_ip.placement.model import NodeFacts, NodeView
from moorage_kube.cache.store import Change, Store

NodeListener = Callable[[str, NodeView | None, NodeView | None], None]


class Nodes:
    """A view of each node; listeners are called with its name, what it was and what it is."""

    def __init__(self, nodes: Store[NodeFacts], liveness: Liveness) -> None:
        self._nodes = nodes
        self._liveness = liveness
        self._views: dict[str, NodeView] = {}
        self._listeners: list[NodeListener] = []
        nodes.subscribe(self._node_changed)
        liveness.subscribe(self.refresh, self._refresh_all)

    @property
    def views(self) -> Mapping[str, NodeView]:
        """All nodes by name, of which there is a Node or an agent; a view."""
        return MappingProxyType(self._views)

    def subscribe(self, listener: NodeListener) -> None:
        """Call ``listener`` for every change, and also where a guard let go of a lost node."""
        self._listeners.append(listener)

    def refresh(self, name: str) -> None:
        """Something of it changed."""
        old, new = self._views.get(name), self._view(name)
        if new is None:
            self._views.pop(name, None)
        else:
            self._views[name] = new
        for listener in self._listeners:
            listener(name, old, new)

    def _refresh_all(self) -> None:
        for name in {*self._views, *self._nodes.keys(), *self._liveness.names}:
            self.refresh(name)

    def _node_changed(self, change: Change[NodeFacts]) -> None:
        self.refresh(change.key)

    def _view(self, name: str) -> NodeView | None:
        facts, agent = self._nodes.get(name), self._liveness.agent(name)
        if facts is None and agent is None:
            return None
        if agent is not None:
            # Else two views would differ by the last renewal that one of them happened to see.
            agent = replace(agent, renewed="")
        life, failing = self._liveness.life(name), self._liveness.proxy_failing(name)
        return NodeView(name, facts, agent, life, failing)
