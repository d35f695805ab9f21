"""What the end of a mutation does to the record of its address."""

from __future__ import annotations

import inspect
from dataclasses import replace

import pytest
from core_builders import IP1, NOW, node_ref, outcome, record

from moorage_core import reasons
from moorage_core.decide.outcomes import node_at_fault, reason_for, record_outcome
from moorage_core.model import AddressRecord, Mutation, Phase
from moorage_domain.reasons import Reason
from moorage_provider import errors

EVERY = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.CloudError)
]
ON_ITS_WAY = record(
    IP1, "n2", phase=Phase.ATTACHING, reason="Moving", operation="move/r1",
    previous=node_ref("n1"), attempts=2, since=5.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.Throttled("x"), reasons.THROTTLED),
        (errors.Locked("x"), reasons.LOCKED),
        (errors.Unavailable("x"), reasons.UNAVAILABLE),
        (errors.Retry("x"), reasons.UNAVAILABLE),
        (errors.Denied("x"), reasons.DENIED),
        (errors.CredentialsRejected("x"), reasons.CREDENTIALS),
        (errors.QuotaExceeded("x"), reasons.QUOTA),
        (errors.Unsupported("x"), reasons.UNSUPPORTED),
        (errors.InUse("x"), reasons.UNFIT),
        (errors.MachineUnfit("x"), reasons.UNFIT),
        (errors.MachineNotFound("x"), reasons.UNFIT),
        (errors.AddressNotFound("x"), reasons.NOT_FOUND),
        (errors.Stale("x"), reasons.STALE),
        (errors.InvalidOptions("x"), reasons.INVALID_SPEC),
        (errors.CloudError("x"), reasons.FAILED),
    ],
)
def test_every_error_has_its_reason(error: errors.CloudError, reason: Reason) -> None:
    assert reason_for(error) is reason


@pytest.mark.parametrize("kind", EVERY)
def test_no_error_a_provider_may_raise_is_without_a_name(kind: type[errors.CloudError]) -> None:
    unnamed = reason_for(kind("x")) is reasons.FAILED
    assert unnamed is (kind is errors.CloudError)


@pytest.mark.parametrize("kind", EVERY)
def test_another_node_may_do_better_where_the_node_is_the_trouble(
    kind: type[errors.CloudError],
) -> None:
    at_fault = {
        errors.CloudError, errors.InUse, errors.MachineNotFound, errors.MachineUnfit,
    }  # fmt: skip
    assert node_at_fault(kind("x")) is (kind in at_fault)


def test_without_an_outcome_the_record_is_the_very_same() -> None:
    assert record_outcome(ON_ITS_WAY, None, NOW) is ON_ITS_WAY


@pytest.mark.parametrize("mutation", [Mutation.ATTACH, Mutation.MOVE, Mutation.DETACH])
def test_what_the_cloud_accepted_must_be_observed_first(mutation: Mutation) -> None:
    after = record_outcome(ON_ITS_WAY, outcome(mutation, node_uid="uid-n2"), NOW + 0.7)
    assert after == record(
        IP1, "n2", phase=Phase.VERIFYING, reason="Verifying", operation="move/r1",
        previous=node_ref("n1"), since=NOW, observed_at=NOW,
        message="the cloud accepted the change; waiting until it shows it",
    )  # fmt: skip


def test_a_prepared_node_is_remembered_by_its_uid() -> None:
    after = record_outcome(ON_ITS_WAY, outcome(Mutation.PREPARE, node_uid="uid-n2"), NOW)
    assert (after.operation, after.attempts) == ("prepared/uid-n2", 0)
    assert (after.phase, after.node_ref) == (ON_ITS_WAY.phase, ON_ITS_WAY.node_ref)


@pytest.mark.parametrize("error", [None, errors.MachineNotFound("gone")])
def test_a_node_that_got_its_own_address_back_or_is_gone_leaves_us_where_we_were(
    error: errors.CloudError | None,
) -> None:
    ended = outcome(Mutation.RESTORE, error, "uid-n2", 30.0)
    after = record_outcome(ON_ITS_WAY, ended, NOW)
    assert (after.operation, after.node_ref, after.previous) == ("", node_ref("n1"), None)


OWING = replace(
    ON_ITS_WAY, node_ref=node_ref("n3"), restore_pending=(node_ref("n1"), node_ref("n2"))
)


@pytest.mark.parametrize(
    "error", [None, errors.MachineNotFound("gone"), errors.Unsupported("never")]
)
def test_a_restore_is_pending_until_it_is_done_or_impossible(
    error: errors.CloudError | None,
) -> None:
    after = record_outcome(OWING, outcome(Mutation.RESTORE, error, "uid-n2", 30.0), NOW)
    assert (after.restore_pending, after.operation) == ((node_ref("n1"),), "")
    assert (after.node_ref, after.previous) == (OWING.node_ref, OWING.previous)


def test_a_restore_that_failed_stays_pending_and_is_no_failure_of_the_address() -> None:
    denied = outcome(Mutation.RESTORE, errors.Denied("no right"), "uid-n2", 30.0)
    after = record_outcome(OWING, denied, NOW)
    assert after == replace(OWING, operation="", observed_at=NOW)


def test_what_a_target_lends_is_written_down_before_it_is_taken() -> None:
    must_record_first = replace(
        outcome(Mutation.PREPARE, None, "uid-n2", 0.0), must_record_first=True
    )
    elsewhere = replace(ON_ITS_WAY, node_ref=node_ref("n3"))
    assert record_outcome(elsewhere, must_record_first, NOW) == elsewhere
    after = record_outcome(ON_ITS_WAY, must_record_first, NOW)
    assert (after.operation, after.restore_pending) == ("", (node_ref("n2"),))


def test_a_failure_is_reported_counted_and_not_repeated_before_its_time() -> None:
    ended = outcome(Mutation.MOVE, errors.Throttled("slow down"), "uid-n2", 2.3)
    after = record_outcome(ON_ITS_WAY, ended, NOW + 0.5)
    assert after == record(
        IP1, "n2", phase=Phase.ATTACHING, reason="Throttled", message="slow down",
        operation="move/r1", previous=node_ref("n1"), attempts=3, since=NOW,
        next_attempt=NOW + 3, observed_at=NOW, last_failure="slow down",
    )  # fmt: skip


@pytest.mark.parametrize("mutation", sorted(set(Mutation) - {Mutation.RESTORE}))
def test_another_node_is_tried_at_once_where_there_is_a_choice(mutation: Mutation) -> None:
    ended = outcome(mutation, errors.MachineUnfit("stopped"), "uid-n2", 30.0)
    after = record_outcome(ON_ITS_WAY, ended, NOW)
    choice = mutation in (Mutation.PREPARE, Mutation.ATTACH, Mutation.MOVE)
    assert after.next_attempt == (0.0 if choice else NOW + 30)
    assert (after.attempts, after.reason) == (3, "MachineUnfit")


@pytest.mark.parametrize("kind", EVERY)
def test_what_only_people_can_mend_blocks(kind: type[errors.CloudError]) -> None:
    after = record_outcome(ON_ITS_WAY, outcome(Mutation.MOVE, kind("x"), "uid-n2", 1.0), NOW)
    people = (
        errors.Denied, errors.CredentialsRejected, errors.QuotaExceeded, errors.Unsupported,
    )  # fmt: skip
    assert after.phase is (Phase.BLOCKED if kind in people else Phase.ATTACHING)


def test_it_is_whole_seconds_that_are_written() -> None:
    ended = outcome(Mutation.DETACH, errors.Stale("changed"), "uid-n2", 0.0)
    after: AddressRecord = record_outcome(ON_ITS_WAY, ended, NOW + 0.25)
    assert (after.next_attempt, after.observed_at) == (NOW + 1, NOW)
