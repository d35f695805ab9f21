"""What a cloud last said: read in bulk, no oftener than needed, and never taken for more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from core_builders import IP1, IP2, IP3, allocation, until

from moorage_core import reasons, scopes
from moorage_core.model import Absent, Awaited, CloudState, Present, Unread
from moorage_core.scope import Scope
from moorage_core.scopes import Scopes
from moorage_provider.errors import CloudError, Denied, InvalidOptions, Throttled, Unavailable
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider
from moorage_testing.faults import Fault

SELDOM = 1000.0  # seconds: not again within a test


@dataclass
class Reader:
    """One scope read by its own task, with what it reported."""

    cloud: MemoryCloud
    changed: list[list[str]] = field(default_factory=list)
    observed: list[dict[str, CloudState]] = field(default_factory=list)
    scope: Scope = field(init=False)

    def __post_init__(self) -> None:
        self.scope = Scope(MemoryProvider(self.cloud), self._changed)

    def _changed(self, names: Collection[str]) -> None:
        self.changed.append(sorted(names))
        self.observed.append({ip: self.scope.cloud_state(ip) for ip in (IP1, IP2, IP3)})

    @property
    def reads(self) -> list[tuple[str, ...]]:
        """The addresses that each call asked for."""
        return [tuple(call.params.values()) for call in self.cloud.faults.calls]

    async def settled(self, ip: str) -> CloudState:
        await until(lambda: self.scope.cloud_state(ip) != Awaited(), f"{ip} to be read")
        return self.scope.cloud_state(ip)


@pytest.fixture
def cloud() -> MemoryCloud:
    cloud = MemoryCloud()
    cloud.add_machine("vm-1")
    for ip in (IP1, IP2):
        cloud.add_address(ip)
    return cloud


@asynccontextmanager
async def running(cloud: MemoryCloud) -> AsyncIterator[Reader]:
    reader = Reader(cloud)
    task = asyncio.create_task(reader.scope.run())
    try:
        yield reader
    finally:
        await ended(task)


async def ended(task: asyncio.Task[None]) -> None:
    """End a task, however often it must be cancelled."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)


async def a_while(seconds: float = 0.15) -> None:
    """Long enough for a read that must not happen."""
    await asyncio.sleep(seconds)


async def test_an_address_is_awaited_then_what_the_cloud_says(cloud: MemoryCloud) -> None:
    cloud.assign(IP1, "vm-1")
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1, IP3], SELDOM)
        assert reader.scope.cloud_state(IP1) == Awaited()
        assert await reader.settled(IP1) == Present(cloud.snapshot([IP1])[IP1])
        assert reader.scope.cloud_state(IP3) == Absent()
        assert reader.scope.cloud_state(IP2) == Awaited()  # nobody asked, so nothing is known


async def test_all_allocations_are_read_in_one_call(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1, IP2], SELDOM)
        reader.scope.want("b", [IP2, IP3], SELDOM)
        await reader.settled(IP3)
        assert reader.reads == [(IP1, IP2, IP3)]
        assert reader.changed == [["a", "b"]]


async def test_what_was_said_before_is_not_read_again(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        await reader.settled(IP1)
        for _ in range(50):
            reader.scope.want("a", [IP1], SELDOM)
        reader.scope.want("b", [IP1], SELDOM)
        await a_while()
        assert reader.reads == [(IP1,)]


async def test_a_new_address_is_read_alone_and_at_once(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        await reader.settled(IP1)
        reader.scope.want("b", [IP1, IP2], SELDOM)
        await reader.settled(IP2)
        assert reader.reads == [(IP1,), (IP2,)]
        assert reader.changed == [["a"], ["b"]]


async def test_an_invalidated_address_is_awaited_and_read_alone(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1, IP2], SELDOM)
        before = await reader.settled(IP1)
        cloud.assign(IP1, "vm-1")
        assert reader.scope.cloud_state(IP1) == before  # nobody knows yet
        reader.scope.invalidate([IP1])
        assert reader.scope.cloud_state(IP1) == Awaited()
        assert isinstance(reader.scope.cloud_state(IP2), Present)
        await until(lambda: len(reader.observed) == 2, "the second read")
        assert reader.observed[1][IP1] == Present(cloud.snapshot([IP1])[IP1])
        assert reader.reads == [(IP1, IP2), (IP1,)]


async def test_an_invalidated_address_is_awaited_until_the_answer_is_there(
    cloud: MemoryCloud,
) -> None:
    cloud.faults.inject(Fault(op="snapshot", delay_seconds=0.1, skip=1))
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        await reader.settled(IP1)
        cloud.assign(IP1, "vm-1")
        reader.scope.invalidate([IP1])
        await until(lambda: len(reader.reads) == 2, "the second read to begin")
        assert len(reader.observed) == 1  # and it has not ended
        assert reader.scope.cloud_state(IP1) == Awaited()
        assert not reader.scope.all_read()


async def test_that_an_address_was_read_again_is_reported_even_if_nothing_changed(
    cloud: MemoryCloud,
) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        reader.scope.want("b", [IP2], SELDOM)
        await reader.settled(IP1)
        reader.scope.invalidate([IP1])
        await until(lambda: len(reader.changed) == 2, "the second read")
        assert reader.changed == [["a", "b"], ["a"]]


async def test_many_invalidations_at_once_are_one_call(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1, IP2], SELDOM)
        await reader.settled(IP1)
        for ip in (IP1, IP2, IP1):
            reader.scope.invalidate([ip])
            await asyncio.sleep(0)
        await until(lambda: len(reader.changed) == 2, "the second read")
        assert reader.reads[1:] == [(IP1, IP2)]


async def test_an_address_invalidated_during_a_read_is_awaited_until_read_again(
    cloud: MemoryCloud,
) -> None:
    cloud.faults.inject(Fault(op="snapshot", delay_seconds=0.1))
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1, IP2], SELDOM)
        await until(lambda: reader.reads, "the read to begin")
        reader.scope.invalidate([IP1])
        await until(lambda: len(reader.observed) == 2, "two reads to end")
        first, second = reader.observed
        assert first[IP1] == Awaited()
        assert isinstance(first[IP2], Present)
        assert isinstance(second[IP1], Present)
        assert reader.reads == [(IP1, IP2), (IP1,)]


async def test_nothing_is_reported_while_the_cloud_says_the_same(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], 0.02)
        reader.scope.want("b", [IP2], 0.02)
        await until(lambda: len(reader.reads) >= 4, "four reads")
        assert reader.changed == [["a", "b"]]
        cloud.assign(IP2, "vm-1")
        await until(lambda: len(reader.changed) == 2, "the change to be reported")
        assert reader.changed[1] == ["b"]
        assert reader.observed[1][IP2] == Present(cloud.snapshot([IP2])[IP2])


async def test_the_interval_is_that_of_the_most_impatient(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        await reader.settled(IP1)
        reader.scope.want("b", [IP2], 0.05)
        await until(lambda: reader.reads.count((IP1, IP2)) == 4, "reads at the interval")
        at = [call.at for call in cloud.faults.calls][-3:]
        assert all(later - earlier >= 0.05 for earlier, later in pairwise(at))
        reader.scope.unwant("b")
        count = len(reader.reads)
        await a_while(0.3)
        assert reader.reads[count:] in ([], [(IP1,)])


async def test_a_shorter_interval_counts_from_now_on(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        await reader.settled(IP1)
        reader.scope.want("a", [IP1], 0.05)
        await until(lambda: len(reader.reads) >= 3, "reads at the new interval")


async def test_reads_do_not_follow_each_other_without_a_pause(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        began = time.monotonic()
        reader.scope.want("a", [IP1], 0.05)
        reader.scope.invalidate([IP2, IP3])  # nobody wants these
        await a_while(0.5)
        most = 1 + (time.monotonic() - began) / 0.05
        assert 2 <= len(reader.reads) <= most
        assert set(reader.reads) == {(IP1,)}


async def test_an_address_nobody_wants_is_not_read(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        reader.scope.want("b", [IP2], SELDOM)
        await reader.settled(IP1)
        assert not reader.scope.unwant("b")
        reader.scope.invalidate([IP2])
        await a_while()
        reader.scope.want("a", [IP3], SELDOM)
        await reader.settled(IP3)
        reader.scope.invalidate([IP1])
        await a_while()
        assert reader.reads == [(IP1, IP2), (IP3,)]
        assert reader.scope.unwant("a")


def unread(text: str = "no right to read") -> Unread:
    return Unread(reasons.DENIED, f"cannot read memory: {text}; tried again within 60 s")


def without_time(state: CloudState) -> CloudState:
    return replace(state, read_at=0.0) if isinstance(state, Unread) else state


async def test_while_the_cloud_cannot_be_read_nothing_is_known_and_all_allocations_are_triggered(
    cloud: MemoryCloud,
) -> None:
    cloud.faults.inject(Fault(op="snapshot", error=Denied("no right to read"), skip=1))
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], 0.02)
        reader.scope.want("b", [IP2], 0.02)
        await until(lambda: len(reader.changed) == 2, "the failure to be reported")
        found = {ip: without_time(state) for ip, state in reader.observed[1].items()}
        assert found == dict.fromkeys((IP1, IP2, IP3), unread())
        assert not reader.scope.all_read()
        await until(lambda: len(reader.changed) == 3, "the recovery to be reported")
        assert reader.changed == [["a", "b"]] * 3
        assert reader.reads[-1] == (IP1, IP2)
        assert reader.observed[2] == reader.observed[0]


async def test_a_failed_read_of_one_address_leaves_the_others_known(
    cloud: MemoryCloud,
) -> None:
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        reader.scope.want("b", [IP2], SELDOM)
        await reader.settled(IP1)
        cloud.faults.inject(Fault(op="snapshot", error=Denied("no right to read")))
        reader.scope.invalidate([IP1])
        await until(lambda: len(reader.changed) == 2, "the failure to be reported")
        assert without_time(reader.scope.cloud_state(IP1)) == unread()
        assert isinstance(reader.scope.cloud_state(IP2), Present)
        await until(lambda: len(reader.changed) == 3, "the recovery to be reported")
        assert isinstance(reader.scope.cloud_state(IP1), Present)
        assert reader.changed[1:] == [["a"], ["a"]]
        assert reader.scope.all_read()


async def test_harm_10_an_odd_row_leaves_the_others_known(cloud: MemoryCloud) -> None:
    cloud.spoil(IP1)
    async with running(cloud) as reader:
        reader.scope.want("a", {IP1}, SELDOM)
        reader.scope.want("b", {IP2, IP3}, SELDOM)
        odd = await reader.settled(IP1)
        assert isinstance(odd, Unread)
        assert odd.reason is reasons.UNREADABLE
        assert odd.message.startswith(f"{IP1}: ")
        assert isinstance(await reader.settled(IP2), Present)
        assert await reader.settled(IP3) == Absent()
        assert not reader.scope.all_read()
        cloud.spoil(IP1, spoiled=False)
        reader.scope.invalidate({IP1})
        await until(lambda: isinstance(reader.scope.cloud_state(IP1), Present), "it to be read")
        assert reader.scope.all_read()


async def test_the_log_says_once_what_fails(
    cloud: MemoryCloud, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = Unavailable("no answer"), Unavailable("no route")
    cloud.faults.inject(*(Fault(op="snapshot", error=error) for error in (one, one, other)))
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        await until(lambda: len(reader.reads) == 4, "three failures and a success")
        await reader.settled(IP1)
    said = [record.getMessage().partition("; next try in ")[0] for record in caplog.records]
    assert said == ["cannot read memory: no answer", "cannot read memory: no route"]


async def test_harm_25_what_cannot_be_read_is_named_with_its_region_and_the_next_try(
    cloud: MemoryCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    cloud.faults.inject(Fault(op="snapshot", error=Unavailable("no answer"), skip=1))
    async with running(cloud) as reader:
        reader.scope.region = "eu-west-1"
        reader.scope.want("a", [IP1, IP2], 0.02)
        before = time.time()
        await reader.settled(IP1)
        await until(lambda: isinstance(reader.scope.cloud_state(IP1), Unread), "the failure")
        state = reader.scope.cloud_state(IP1)
        assert isinstance(state, Unread)
        assert before <= state.read_at <= time.time()
        assert state.message == (
            "cannot read memory in eu-west-1: no answer; tried again within 60 s"
        )
        await until(lambda: isinstance(reader.scope.cloud_state(IP1), Present), "the recovery")
    failed, again = caplog.records
    fields = vars(failed)
    assert (fields["provider"], fields["region"]) == ("memory", "eu-west-1")
    assert (fields["reason"], failed.levelname) == ("CloudUnavailable", "WARNING")
    assert 0.7 < fields["next_try"] < 1.3
    assert again.getMessage() == "memory in eu-west-1 can be read again"


async def test_what_is_held_and_whether_all_is_known_can_be_asked(cloud: MemoryCloud) -> None:
    cloud.assign(IP1, "vm-1")
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1, IP2, IP3], SELDOM)
        assert not reader.scope.all_read()
        assert reader.scope.holders() == set()
        await reader.settled(IP1)
        assert reader.scope.all_read()
        assert reader.scope.holders() == {"vm-1"}
        reader.scope.invalidate([IP2])
        assert not reader.scope.all_read()


async def test_an_address_wanted_during_a_read_is_read_next(cloud: MemoryCloud) -> None:
    cloud.faults.inject(Fault(op="snapshot", delay_seconds=0.1))
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], SELDOM)
        await until(lambda: reader.reads, "the read to begin")
        reader.scope.want("a", [IP2], SELDOM)
        await until(lambda: len(reader.reads) == 2, "the second read to begin")
        assert isinstance(await reader.settled(IP2), Present)
        assert reader.reads == [(IP1,), (IP2,)]
        assert reader.scope.cloud_state(IP1) == Awaited()  # nobody wants it any more


async def test_while_failing_only_time_brings_the_next_attempt(cloud: MemoryCloud) -> None:
    cloud.faults.inject(Fault(op="snapshot", error=Unavailable("no answer"), times=None))
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], 0.01)
        await until(lambda: reader.changed, "the first failure")
        for _ in range(20):
            reader.scope.invalidate([IP1])
            reader.scope.want("b", [IP2], 0.01)
            await asyncio.sleep(0.01)
        first, *more = (call.at for call in cloud.faults.calls)
        # On a busy machine that may have taken as long as the pause.
        assert all(at - first >= 0.75 for at in more)


async def test_failures_in_a_row_are_tried_ever_less_often(cloud: MemoryCloud) -> None:
    cloud.faults.inject(Fault(op="snapshot", error=Unavailable("no answer"), times=3))
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], 0.01)
        await until(lambda: len(reader.reads) == 3, "three failures")
        first, second, third = (call.at for call in cloud.faults.calls)
        assert second - first >= 0.75
        assert third - second >= 1.5


async def test_the_cloud_says_when_to_come_back(cloud: MemoryCloud) -> None:
    throttled = Throttled("slow down", retry_after=1.6)  # the first pause is 1.25 s at most
    cloud.faults.inject(Fault(op="snapshot", error=throttled))
    async with running(cloud) as reader:
        reader.scope.want("a", [IP1], 0.01)
        await until(lambda: len(reader.reads) == 2, "the second attempt")
        first, second = (call.at for call in cloud.faults.calls)
        assert second - first >= 1.6


async def test_a_scope_outlives_a_bug_of_its_provider(cloud: MemoryCloud) -> None:
    cloud.faults.inject(Fault(op="snapshot", error=KeyError("Addresses")))
    scope = Scope(MemoryProvider(cloud), lambda _: None)
    task = asyncio.create_task(scope.run())
    try:
        scope.want("a", [IP1], 0.01)
        await until(lambda: task.done() or isinstance(scope.cloud_state(IP1), Present), "a read")
        assert not task.done(), f"nothing is read any more: {task.exception()!r}"
    finally:
        await ended(task)


async def test_the_age_is_that_of_the_last_complete_read(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        began = time.time()
        reader.scope.want("a", [IP1, IP2], SELDOM)
        assert reader.scope.read_at == 0.0
        await reader.settled(IP1)
        complete = reader.scope.read_at
        assert began <= complete <= time.time()
        reader.scope.invalidate([IP1])
        await until(lambda: len(reader.changed) == 2, "the second read")
        assert reader.scope.read_at == complete


async def test_a_read_that_is_cancelled_right_after_a_request_does_end(cloud: MemoryCloud) -> None:
    async with running(cloud) as reader:
        (task,) = (one for one in asyncio.all_tasks() if one is not asyncio.current_task())
        reader.scope.want("a", [IP1], SELDOM)
        await reader.settled(IP1)
        await a_while(0.05)  # it waits for news now
        reader.scope.invalidate([IP1])
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)
        assert task.done()


# All scopes together.


class ClosingProvider(MemoryProvider):
    """Says whether it was closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


class Opened:
    """Scopes over one memory cloud, with the providers that were made."""

    def __init__(self, cloud: MemoryCloud) -> None:
        self.cloud = cloud
        self.providers: dict[tuple[str, str], ClosingProvider] = {}
        self.scopes = Scopes(self._create, lambda _: None)

    def _create(self, name: str, region: str) -> ClosingProvider:
        if name == "broken":
            raise InvalidOptions("no region is set")
        assert (name, region) not in self.providers
        self.providers[name, region] = ClosingProvider(self.cloud)
        return self.providers[name, region]


@pytest.fixture
async def opened(cloud: MemoryCloud) -> AsyncIterator[Opened]:
    opened = Opened(cloud)
    yield opened
    await opened.scopes.close()


async def test_allocations_of_one_account_and_region_share_a_scope(opened: Opened) -> None:
    one = opened.scopes.want(allocation(name="a", region="r1"), {IP1})
    other = opened.scopes.want(allocation(name="b", region="r1"), {IP2})
    third = opened.scopes.want(allocation(name="c", region="r2"), {IP3})
    assert one is other
    assert third is not one
    assert dict(opened.scopes.items()) == {("memory", "r1"): one, ("memory", "r2"): third}
    assert opened.scopes.of("b") is one
    assert opened.scopes.of("z") is None


async def test_an_allocation_that_changes_its_region_is_read_there_only(opened: Opened) -> None:
    opened.scopes.want(allocation(name="a", region="r1"), {IP1})
    new = opened.scopes.want(allocation(name="a", region="r2"), {IP1})
    assert dict(opened.scopes.items()) == {("memory", "r2"): new}
    assert opened.scopes.of("a") is new


async def test_a_scope_nobody_wants_is_not_read_any_more(opened: Opened) -> None:
    for name in ("a", "b"):
        opened.scopes.want(allocation(name=name, interval=0.01), {IP1})
    await until(lambda: len(opened.cloud.faults.calls) >= 2, "reads")
    opened.scopes.unwant("a")
    assert opened.scopes.of("b") is not None
    opened.scopes.unwant("b")
    opened.scopes.unwant("b")
    assert dict(opened.scopes.items()) == {}
    count = len(opened.cloud.faults.calls)
    await a_while()
    assert len(opened.cloud.faults.calls) == count


async def test_a_scope_nobody_wants_gives_its_provider_back(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.scopes.want(allocation(name="a"), {IP1})
    opened.scopes.unwant("a")
    assert dict(opened.scopes.items()) == {}
    monkeypatch.setattr(scopes, "IDLE_SECONDS", 0.0)
    opened.scopes.tidy()
    await a_while()
    assert opened.providers["memory", ""].closed


async def test_a_provider_that_cannot_be_made_leaves_no_scope(opened: Opened) -> None:
    opened.scopes.want(allocation(name="a"), {IP1})
    with pytest.raises(CloudError, match="no region"):
        opened.scopes.want(allocation(name="a", provider="broken"), {IP1})
    assert opened.scopes.of("a") is None
    assert dict(opened.scopes.items()) == {}
    opened.scopes.unwant("a")


async def test_a_provider_made_ready_is_the_one_that_is_used(opened: Opened) -> None:
    await opened.scopes.make_ready("memory", "")
    await opened.scopes.make_ready("memory", "")
    assert dict(opened.scopes.items()) == {}
    scope = opened.scopes.want(allocation(name="a"), {IP1})
    assert scope.provider is opened.providers["memory", ""]
    await opened.scopes.make_ready("memory", "")
    assert list(opened.providers) == [("memory", "")]


async def test_one_that_was_made_ready_in_vain_is_closed(opened: Opened) -> None:
    await opened.scopes.make_ready("memory", "")
    await opened.scopes.close()
    assert opened.providers["memory", ""].closed


async def test_at_the_end_all_reads_stop_and_all_providers_are_closed(opened: Opened) -> None:
    opened.scopes.want(allocation(name="a", region="r1", interval=0.01), {IP1})
    opened.scopes.want(allocation(name="b", region="r2", interval=0.01), {IP2})
    await until(lambda: opened.cloud.faults.calls, "reads")
    await opened.scopes.close()
    assert {key: one.closed for key, one in opened.providers.items()} == {
        ("memory", "r1"): True,
        ("memory", "r2"): True,
    }
    count = len(opened.cloud.faults.calls)
    await a_while()
    assert len(opened.cloud.faults.calls) == count
