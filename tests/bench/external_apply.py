"""What an agent needs from 500 claims in its cache to 500 announced addresses, in process (EL)."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from moorage_kube.cache.store import Store
from moorage_node_agent.act import Actor
from moorage_node_agent.decide import decide
from moorage_node_agent.decide.address import PROBE_SECONDS
from moorage_node_agent.firewall import Firewall
from moorage_node_agent.metrics import NetworkMetrics
from moorage_node_agent.model import State
from moorage_node_agent.observe import Observer
from moorage_node_agent.projections import View, view_of
from moorage_node_agent.proxy import ProxyHealth
from moorage_node_agent.settings import NodeAgentSettings
from moorage_node_agent.state import AgentState, Hands, clock
from moorage_testing.lab import Lab

from .report import step
from .rows import NO_SEED, Row

APPLY_TARGET_MS = 150.0
_REPEATS = 5
_NODE = "node1"


def apply_row(lab: Lab, claims: int) -> Row:
    """The fastest of some runs: whatever else the machine does can only make one slower."""
    with step(f"{claims:,} claims are applied"):
        figures = []
        for _ in range(_REPEATS):
            lab.heal()
            figures.append(_apply(lab, claims))
    whole, cpu = min(figures)
    return Row(
        "ELh", f"{claims:,} claims applied, without the probe's wait", APPLY_TARGET_MS,
        (whole - PROBE_SECONDS) * 1e3, "ms", NO_SEED,
        "from the watch's objects, whole, to the last address on the link and announced; the"
        f" {PROBE_SECONDS * 1e3:.0f} ms for which answers to a probe are waited for are left out."
        f" CPU {cpu * 1e3:.0f} ms. The fastest of {_REPEATS}.",
    )  # fmt: skip


def _apply(lab: Lab, claims: int) -> tuple[float, float]:
    """Seconds, and CPU seconds."""
    path = lab.node(1).namespace.path
    settings = NodeAgentSettings.model_validate({"node_name": _NODE, "network_namespace": path})
    state = AgentState()
    hands = Hands(state, path)
    store: Store[View] = Store(partial(view_of, _NODE))
    registry = CollectorRegistry()
    firewall = Firewall(hands.namespace)
    metrics = NetworkMetrics.register(registry)
    actor = Actor(hands, firewall, metrics, lambda: None, lambda _: None)
    observer = Observer(settings, hands, store, ProxyHealth(0, list))
    state.read_at = clock()
    raws = [_claim(number) for number in range(claims)]
    begun, cpu = time.perf_counter(), time.process_time()
    for raw in raws:
        store.apply(raw)
    while True:
        observed = observer.observe()
        plan = decide(observed)
        for action in plan.actions:
            actor.act(observed.policy, action)
        if sum(one.state is State.ANNOUNCED for one in state.states.values()) == claims:
            break
        time.sleep(plan.wait.total_seconds() if plan.wait else 0.0)
    spent = time.perf_counter() - begun, time.process_time() - cpu
    held = len(state.held)
    hands.close()
    if held != claims:
        raise AssertionError(f"{held} of {claims} addresses are on the link")
    return spent


def _claim(number: int) -> dict[str, Any]:
    address = f"10.99.{64 + (number >> 8)}.{number & 255}"
    name = f"{address.replace('.', '-')}-16"
    meta = {"name": name, "uid": f"u-{name}", "resourceVersion": str(number + 1)}
    spec = {"cidr": f"{address}/16", "nodeName": _NODE, "services": []}
    return {"metadata": meta, "spec": spec}
