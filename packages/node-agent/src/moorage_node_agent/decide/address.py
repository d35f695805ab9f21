"""What to do about one address that this node shall have.

====  ==================================================  ================  =====================
rule  when (the first that holds decides)                 says              does
====  ==================================================  ================  =====================
1     policy Withdraw, and the Lease is too old           Yielded           let go
2     the node has the address as one of its own          Refused           let go
3     no link for it, or without carrier                  NoLink, Refused   let go
4     another machine announced it while it was here      Yielded           let go
      ... the previous holder, less than 0.3 s ago, and
      the claims were not read since                      Announced         keep, read the claims
5     ... and the claims were not read since              Yielded           nothing
6     it is on the link                                   Announced         keep, announce when due
7     it is on another link                               Probing           let go of it there
8     the last try was just now                           as it was         nothing
9     the proxy is not healthy, for less than 2 s         WaitingForProxy   nothing
10    nobody was asked yet (``lo``: nobody is)            Probing           ask
11    asked less than 150 ms ago                          Probing           nothing
12    an unknown MAC answered                             Conflict          nothing, ask again later
13    the previous holder answered, the address had been
      here, and the claims were not read since            Probing           nothing, read the claims
14    policy Withdraw, and the Lease was not renewed now  Probing           nothing
15    else                                                Announced         add, announce
====  ==================================================  ================  =====================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from moorage_domain.plans import first_match
from moorage_node_agent.link.choose import Candidates, NoLink, choose
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.model import NEVER, Claim, Memory, NodeState, Observed, State

PROBE_SECONDS = 0.15
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 60.0
CONFIRM_SECONDS = 0.3
"""So long an address is kept that the previous holder announces: its agent may just have woken up.
Whoever then cannot read from the API server that the address is still its own, lets go."""
BURST = (0.0, 0.2, 1.1, 2.2, 4.4)
"""Seconds after an address was taken at which it is announced."""


@dataclass(frozen=True, slots=True)
class Case:
    """One address, and all that its rules ask.

    Attributes:
        link: where it belongs, or why nowhere.
        on: indexes of the links that have it.
    """

    claim: Claim
    memory: Memory
    link: Link | NoLink
    on: tuple[int, ...]
    observed: Observed

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.observed.now


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one address.

    Attributes:
        remove: indexes of links that must not have it.
        keep: the link that has it and shall have it.
        add: the link that gets it now.
        probe: the link on which it is asked who has it.
        due: when it is to be looked at again, monotonic; ``None`` = with the next refresh.
        reread: nothing more is done before the claims were read again.
    """

    said: NodeState
    memory: Memory
    remove: tuple[int, ...] = ()
    keep: Link | None = None
    add: Link | None = None
    probe: Link | None = None
    due: float | None = None
    reread: bool = False


def case_of(claim: Claim, observed: Observed, candidates: Candidates) -> Case:
    """The case of a claim; one that is seen for the first time is remembered from now on."""
    memory = observed.memory.get(claim.address) or Memory(observed.now)
    link = choose(claim.address, claim.wish, candidates)
    return Case(claim, memory, link, observed.held.get(claim.address, ()), observed)


def decide_address(case: Case) -> Decision:
    """What to do about it; see the table above."""
    return first_match(RULES, case)


def refused(memory: Memory, now: float, message: str) -> Memory:
    """What is remembered where the kernel, or the network, did not do what it was asked."""
    tries = memory.tries + 1
    return replace(_anew(memory), refused=message, tries=tries, retry_at=now + _pause(tries))


def heard(memory: Memory, claim: Claim, mac: str, now: float) -> Memory:
    """What is remembered where another machine says that it has the address."""
    if memory.added_at is not None:
        # The first time counts: who is heard again and again is not waited for longer.
        first = memory.heard_at if memory.heard else now
        return replace(memory, heard=mac, heard_at=first)
    if memory.probed_at is None or memory.answered not in {"", *claim.previous}:
        return memory
    return replace(memory, answered=mac)


def announcement_due(memory: Memory, every: float, spread: float) -> float | None:
    """When it is to be announced next; ``None`` = not any more.

    ``spread``: 0 to 1, by which addresses taken together are announced apart later on.
    """
    if memory.added_at is None:
        return None
    if memory.announced < len(BURST):
        return memory.burst_at + BURST[memory.announced]
    return memory.announced_at + every * (0.8 + 0.4 * spread) if every > 0 else None


def _withdraw_without_lease(case: Case) -> Decision | None:
    policy, age = case.observed.policy, case.now - case.observed.lease_at
    if not policy.withdraw or case.observed.lease_at == NEVER or age <= policy.withdraw_after:
        return None
    said = NodeState(State.YIELDED, message=f"the Lease was not renewed for {age:.1f} s")
    return _let_go(case, said)


def _refuse_an_own_address(case: Case) -> Decision | None:
    if case.claim.address not in case.observed.untagged:
        return None
    message = f"{case.claim.address} is an address of the node itself, or was added by hand"
    return _let_go(case, NodeState(State.REFUSED, message=message))


def _let_go_without_link(case: Case) -> Decision | None:
    """Without carrier nobody is lost, and on its return another may have the address."""
    if not isinstance(case.link, NoLink):
        return None
    state = State.REFUSED if case.link.refused else State.NO_LINK
    return _let_go(case, NodeState(state, message=case.link.message))


def _yield_when_contested(case: Case) -> Decision | None:
    memory = case.memory
    if memory.added_at is None or not memory.heard or memory.heard_at <= memory.added_at:
        return None
    if memory.heard in case.claim.previous:
        if case.observed.read_at > memory.heard_at:
            return None
        if case.now < memory.heard_at + CONFIRM_SECONDS:
            return _keep_until_confirmed(case)
    yielded = replace(
        _anew(memory), yielded=memory.heard, yielded_at=case.now, tries=memory.tries + 1
    )
    yielded = replace(yielded, retry_at=case.now + _pause(yielded.tries))
    return replace(_let_go(case, _yielded(memory.heard), yielded), reread=True)


def _keep_until_confirmed(case: Case) -> Decision | None:
    link = case.link
    if not isinstance(link, Link) or link.index not in case.on:
        return None
    due = case.memory.heard_at + CONFIRM_SECONDS
    said = _announced(case, case.memory)
    return Decision(said, case.memory, keep=link, due=due, reread=True)


def _stay_away_until_read(case: Case) -> Decision | None:
    memory = case.memory
    if not memory.yielded or case.observed.read_at > memory.yielded_at:
        return None
    said = _yielded(memory.yielded)
    return Decision(said, memory, remove=case.on, due=case.now + 1.0, reread=True)


def _keep(case: Case) -> Decision | None:
    link = case.link
    if not isinstance(link, Link) or link.index not in case.on:
        return None
    memory, added_at = case.memory, case.memory.added_at
    if added_at is None:
        # It was there when the agent started: the one before left it.
        memory = replace(_anew(memory), added_at=case.now, burst_at=case.now)
    elif memory.heard:
        # It is confirmed that the address is ours: whoever heard the other hears us.
        memory = replace(memory, heard="", announced=0, burst_at=case.now)
    elif memory.tries and case.now - added_at > LONGEST_RETRY_SECONDS:
        memory = replace(memory, tries=0)
    others = tuple(index for index in case.on if index != link.index)
    return Decision(_announced(case, memory), memory, remove=others, keep=link)


def _let_go_elsewhere(case: Case) -> Decision | None:
    if not case.on:
        return None
    return replace(_let_go(case, NodeState(State.PROBING)), due=case.now)


def _wait_to_retry(case: Case) -> Decision | None:
    memory = case.memory
    if case.now >= memory.retry_at:
        return None
    said = NodeState(State.REFUSED, message=memory.refused)
    if memory.answered:
        said = _conflict(memory.answered)
    elif memory.yielded:
        said = _yielded(memory.yielded)
    return Decision(said, memory, due=memory.retry_at)


def _wait_for_proxy(case: Case) -> Decision | None:
    memory, until = case.memory, case.memory.since + case.observed.policy.proxy_wait
    if not _unready(case) or case.now >= until:
        return None
    return Decision(NodeState(State.WAITING_FOR_PROXY, message=_unready(case)), memory, due=until)


def _ask_first(case: Case) -> Decision | None:
    link = case.link
    if not isinstance(link, Link) or case.claim.wish.loopback or case.memory.probed_at is not None:
        return None
    memory = replace(case.memory, probed_at=case.now, answered="", refused="")
    said = NodeState(State.PROBING, link.name)
    return Decision(said, memory, probe=link, due=case.now + PROBE_SECONDS)


def _wait_for_answers(case: Case) -> Decision | None:
    asked = case.memory.probed_at
    if asked is None or case.now >= asked + PROBE_SECONDS:
        return None
    link = case.link.name if isinstance(case.link, Link) else ""
    return Decision(NodeState(State.PROBING, link), case.memory, due=asked + PROBE_SECONDS)


def _conflict_with_unknown(case: Case) -> Decision | None:
    memory = case.memory
    if not memory.answered or memory.answered in case.claim.previous:
        return None
    retry_at = case.now + _pause(memory.tries + 1)
    later = replace(memory, probed_at=None, tries=memory.tries + 1, retry_at=retry_at)
    return Decision(_conflict(memory.answered), later, due=retry_at)


def _read_before_it_is_taken_back(case: Case) -> Decision | None:
    """A node that was cut off, with its link, may not have heard that the address went back.

    Of one that had let go, the previous holder has it again rather than still.
    """
    memory, asked = case.memory, case.memory.probed_at
    was_here = memory.was_here or memory.added_at is not None
    if not memory.answered or not was_here or asked is None or case.observed.read_at > asked:
        return None
    link = case.link.name if isinstance(case.link, Link) else ""
    return Decision(NodeState(State.PROBING, link), memory, due=case.now + 1.0, reread=True)


def _wait_for_the_lease(case: Case) -> Decision | None:
    if case.observed.trusted:
        return None
    return Decision(NodeState(State.PROBING), case.memory)


def _take(case: Case) -> Decision:
    if not isinstance(case.link, Link):
        raise TypeError(f"{case.claim.name} has no link and was not let go")
    now, told = case.now, bool(_unready(case))
    memory = replace(_anew(case.memory), added_at=now, burst_at=now, told_proxy=told)
    return Decision(_announced(case, memory), memory, add=case.link)


RULES = (
    _withdraw_without_lease,
    _refuse_an_own_address,
    _let_go_without_link,
    _yield_when_contested,
    _stay_away_until_read,
    _keep,
    _let_go_elsewhere,
    _wait_to_retry,
    _wait_for_proxy,
    _ask_first,
    _wait_for_answers,
    _conflict_with_unknown,
    _read_before_it_is_taken_back,
    _wait_for_the_lease,
    _take,
)


def _let_go(case: Case, said: NodeState, memory: Memory | None = None) -> Decision:
    return Decision(said, memory or _anew(case.memory), remove=case.on)


def _anew(memory: Memory) -> Memory:
    """As if the claim had just come, but for what has become of it since it came."""
    return Memory(
        memory.since,
        was_here=memory.was_here or memory.added_at is not None,
        tries=memory.tries,
        retry_at=memory.retry_at,
    )


def _unready(case: Case) -> str:
    """What is not ready to serve; ``""`` = all is, or is not asked."""
    if case.observed.proxy is False:
        return "the service proxy of the node is not healthy"
    silent = [port for port in case.claim.health_ports if port not in case.observed.healthy_ports]
    return f"port {silent[0]} does not say that there is an endpoint here" if silent else ""


def _pause(tries: int) -> float:
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(tries - 1, 10), LONGEST_RETRY_SECONDS)


def _announced(case: Case, memory: Memory) -> NodeState:
    link = case.link
    if not isinstance(link, Link):
        raise TypeError(f"{case.claim.name} has no link")
    return NodeState(State.ANNOUNCED, link.name, link.mac, unready=memory.told_proxy)


def _conflict(mac: str) -> NodeState:
    return NodeState(State.CONFLICT, mac=mac, message=f"{mac} answers for the address")


def _yielded(mac: str) -> NodeState:
    return NodeState(State.YIELDED, mac=mac, message=f"{mac} announced the address")


def holdings(claim: Claim, indexes: tuple[int, ...]) -> tuple[Holding, ...]:
    """The address on each of these links."""
    return tuple(Holding(claim.address, index) for index in indexes)
