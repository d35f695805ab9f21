"""Put the agent together: its hands, its passes, its Lease, and its end."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from moorage_api.ipclaim import EVERY_NODE, IPCLAIMS, NODE_LABEL
from moorage_domain.plans import Plan
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.store import Store
from moorage_kube.client.client import ListQuery
from moorage_kube.client.errors import KubeError
from moorage_kube.manager.manager import Manager
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_node_agent import triggers
from moorage_node_agent.act import Actor
from moorage_node_agent.actions import Action
from moorage_node_agent.decide import decide
from moorage_node_agent.firewall import Firewall
from moorage_node_agent.lease import NodeLease
from moorage_node_agent.leaving import Leaving
from moorage_node_agent.metrics import NetworkMetrics, gauges
from moorage_node_agent.model import Observed
from moorage_node_agent.observe import Observer
from moorage_node_agent.projections import View, view_of
from moorage_node_agent.proxy import ProxyHealth
from moorage_node_agent.reports import Reports
from moorage_node_agent.settings import NodeAgentSettings
from moorage_node_agent.state import AgentState, Hands, clock

logger = logging.getLogger(__name__)


class NodeController:
    """The loop over the one key: all addresses of this node, by one writer."""

    def __init__(self, observer: Observer, actor: Actor, lease: NodeLease) -> None:
        self._observer, self._actor, self._lease = observer, actor, lease

    async def observe(self, _: str) -> Observed | None:
        """The node as it is now; raises ``OSError`` where the kernel does not answer."""
        observed = self._observer.observe()
        self._lease.look()
        return observed

    def decide(self, observed: Observed) -> Plan[Action]:
        """What to do about all addresses."""
        return decide(observed)

    async def act(self, observed: Observed, action: Action) -> None:
        """One action on the node's network."""
        self._actor.act(observed.policy, action)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        """Nothing: what is told of an address is told with its status."""


class Rereading:
    """Asks for the list of claims again, one request at a time, while passes go on."""

    def __init__(self, claims: Informer[View], state: AgentState, passes: WorkQueue) -> None:
        self._claims, self._state, self._passes = claims, state, passes
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Begin, if it is not under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read(), name="rereading claims")

    async def _read(self) -> None:
        begun = clock()
        try:
            await self._claims.relist()
        except KubeError as error:
            logger.warning("the claims cannot be read again: %s", error)
            return
        self._state.read_at = begun
        self._passes.add(triggers.NODE)


def setup(manager: Manager) -> None:
    """What makes an agent of a manager; raises ``OSError`` without the right to the network."""
    settings = manager.settings
    if not isinstance(settings, NodeAgentSettings):
        raise TypeError("these are not the settings of the agent")
    # When hundreds of addresses come here, who moves them needs the API server more than we do.
    state, passes, statuses = AgentState(), WorkQueue(), WorkQueue(most_workers=4)
    arrivals = triggers.Arrivals(statuses)
    hands = Hands(state, settings.network_namespace)
    claims = Store(partial(view_of, settings.node_name))
    wanted = f"{NODE_LABEL} in ({settings.node_name},{EVERY_NODE})"
    informer = manager.informer(IPCLAIMS, claims, ListQuery(label_selector=wanted))
    proxy = ProxyHealth(settings.proxy_port, state.health_ports, state.own_addresses)
    metrics = NetworkMetrics.register(manager.registry)
    manager.registry.register(gauges(state, proxy))
    namespace = settings.lease_namespace or manager.namespace
    lease = NodeLease(manager.client, settings, manager.identity, namespace, state)
    firewall = Firewall(hands.namespace)
    said = triggers.on_states(state, statuses, arrivals)
    actor = Actor(hands, firewall, metrics, Rereading(informer, state, passes).ask, said)
    observer = Observer(settings, hands, claims, proxy)
    reports = Reports(manager.client, manager.events, settings.node_name, state, claims)
    manager.add_controller("node-agent-addresses", NodeController(observer, actor, lease), passes)
    manager.add_controller("node-agent-status", reports, statuses)
    triggers.on_claims(claims, passes, statuses, arrivals)
    policy = settings.policy()
    renewal = triggers.Renewal(state, passes, partial(actor.keep, policy), policy.refresh)
    manager.run_always("Lease", partial(lease.run, proxy, metrics, renewal))
    manager.run_always("proxy", partial(proxy.run, triggers.on_proxy(lease, passes)))
    manager.on_leading.append(partial(_begin, hands, passes))
    leaving = Leaving(hands, actor, firewall, lease, settings, passes, statuses)
    manager.on_stopping.append(leaving.leave)


async def _begin(hands: Hands, passes: WorkQueue) -> None:
    """The caches were listed just now, after this process began."""
    hands.state.read_at = clock()
    hands.wake(asyncio.get_running_loop(), triggers.on_network(hands, passes))
    passes.add(triggers.NODE)
