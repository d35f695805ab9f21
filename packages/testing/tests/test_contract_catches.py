"""Every test of the provider contract can fail: for each there is a broken provider."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from moorage_provider.protocol import Capabilities
from moorage_testing.clouds.memory import (
    ONE_CALL,
    TWO_STEPS,
    MemoryCloud,
    MemoryProvider,
    broken,
    misreading,
)
from moorage_testing.clouds.memory.contract import MemoryContractWorld
from moorage_testing.contract import PATIENT_SECONDS, Failure, ProviderContract


@dataclass(frozen=True, slots=True)
class Case:
    """A broken provider, and the test of the contract that must catch it.

    Attributes:
        kind: the provider.
        test: the name of the test, without ``test_``.
        values: what the test is parametrized with.
        capabilities: of the cloud.
        steps: how many calls it takes until an accepted mutation is done.
    """

    kind: type[MemoryProvider]
    test: str
    values: Mapping[str, object] = field(default_factory=dict)
    capabilities: Capabilities = ONE_CALL
    steps: int = 0

    def __str__(self) -> str:
        return f"{self.kind.__name__}-{self.test}"


AGAIN = {"again": "-again"}
CASES = (
    Case(misreading.ClaimsEveryNode, "a_node_of_another_cloud_has_no_machine_id"),
    Case(
        misreading.ReportsEphemeralAddressesAsReserved,
        "a_machine_is_found_by_its_nodes_provider_id",
    ),
    Case(misreading.ReportsDeletedMachinesAsOutages, "a_machine_that_is_gone_is_not_found"),
    Case(
        misreading.RaisesForAbsentAddresses,
        "a_free_address_has_no_holder_and_a_removed_one_is_absent",
    ),
    Case(
        misreading.ReadsOnlyOneFamily,
        "an_address_of_another_cloud_is_absent_and_the_others_are_read",
        {"foreign": "2001:db8::1"},
    ),
    Case(misreading.FailsOnOddRows, "harm_10_an_odd_row_spoils_its_own_address_only"),
    Case(
        misreading.TakesOddRowsForAbsent,
        "harm_10_an_odd_row_asked_for_alone_is_unknown_and_never_absent",
    ),
    Case(misreading.SelectsByOneLabel, "addresses_are_found_by_all_of_their_labels"),
    Case(misreading.SelectsByTheFirst, "of_several_selectors_each_finds_its_own"),
    Case(
        misreading.ReadsTheSelectedOneByOne,
        "five_hundred_selected_addresses_take_no_more_reads_than_listed_ones",
    ),
    Case(
        misreading.TakesOddRowsForAbsent,
        "a_selected_row_that_is_odd_is_unknown_where_it_is_asked_for",
    ),
    Case(
        misreading.ForgetsTheListed,
        "listed_and_selected_addresses_are_read_together_and_say_who_has_them",
    ),
    Case(misreading.ReadsOneByOne, "five_hundred_addresses_are_read_in_three_calls"),
    Case(misreading.ReadsTwice, "reading_no_addresses_makes_no_call"),
    Case(
        misreading.ReportsEndlessCredentialsAsExpiring,
        "good_credentials_are_not_expiring_before_a_call_nor_after_it",
    ),
    Case(
        misreading.ChecksNothing,
        "a_machine_where_the_address_cannot_be_used_is_refused_with_a_reason",
    ),
    Case(
        misreading.TakesIpv6ForIpv4, "harm_09_a_machine_of_ipv6_only_is_unfit_for_an_ipv4_address"
    ),
    Case(broken.ReportsMutationsItNeverMakes, "an_attached_address_is_on_the_machine"),
    Case(broken.RefusesItsOwnRepeats, "attaching_again_changes_nothing", AGAIN),
    Case(broken.StealsOnAttach, "attaching_again_changes_nothing", AGAIN),
    Case(
        broken.RefusesItsOwnRepeats,
        "a_detached_address_is_free_and_detaching_again_changes_nothing",
        AGAIN,
    ),
    Case(broken.RefusesItsOwnRepeats, "a_machine_prepared_twice_is_ready_once", AGAIN, TWO_STEPS),
    Case(
        broken.ReportsMutationsItNeverMakes,
        "a_machine_prepared_twice_is_ready_once",
        AGAIN,
        TWO_STEPS,
    ),
    Case(broken.NeverRestores, "a_machine_gets_an_ephemeral_address_again", AGAIN, TWO_STEPS),
    Case(
        broken.RestoresNothing,
        "harm_07_a_machine_of_several_interfaces_gets_an_ephemeral_address_again",
        AGAIN,
    ),
    Case(
        broken.ReportsMutationsItNeverMakes,
        "harm_08_an_address_beside_the_nodes_own_is_put_in_its_place",
    ),
    Case(
        misreading.RemembersTheInterface,
        "harm_08_a_move_by_hand_between_two_interfaces_of_one_machine_is_noticed",
    ),
    Case(
        broken.StealsOnAttach,
        "harm_08_an_attachment_that_finds_it_beside_the_nodes_own_is_stale",
    ),
    Case(broken.RestoresByDetaching, "restoring_a_machine_that_holds_an_address_does_nothing"),
    Case(broken.MovesInTwoCalls, "a_move_is_one_mutation"),
    Case(broken.RefusesItsOwnRepeats, "moving_again_changes_nothing", AGAIN),
    Case(broken.DisplacesOnMove, "a_move_never_removes_the_targets_reserved_address"),
    Case(broken.StealsOnAttach, "an_address_is_not_attached_before_it_is_detached"),
    Case(broken.StealsOnAttach, "attaching_never_removes_the_targets_reserved_address"),
    Case(broken.StealsOnAttach, "harm_10_a_target_keeps_an_address_that_is_not_understood"),
    Case(broken.StealsOnAttach, "attaching_waits_for_the_target_to_be_prepared", {}, TWO_STEPS),
    Case(
        broken.ReportsAbsenceAsAnOutage,
        "an_address_that_was_removed_since_it_was_read_is_not_found",
    ),
    Case(
        broken.ReportsAbsenceAsAnOutage,
        "a_machine_that_was_deleted_since_it_was_read_gets_no_address",
    ),
    Case(broken.StealsOnAttach, "a_holder_that_is_no_machine_is_never_displaced"),
    Case(broken.IgnoresTheToken, "an_address_that_changed_hands_is_neither_moved_nor_detached"),
    *(
        Case(
            broken.ReportsFailureAsAbsence,
            "a_failure_raises_its_own_error_and_nothing_is_changed",
            {"step": "snapshot", "failure": failure},
        )
        for failure in (Failure.THROTTLED, Failure.NO_ANSWER)
    ),
    Case(broken.LosesTheDetails, "the_missing_right_is_named", {"step": "attach"}),
    Case(broken.LosesTheDetails, "harm_11_what_a_policy_forbids_is_a_denial_that_names_it"),
    Case(
        broken.LosesTheDetails,
        "a_throttled_call_says_how_long_the_cloud_asks_to_wait",
        {"step": "snapshot"},
    ),
    Case(broken.RefusesItsOwnRepeats, "a_mutation_whose_answer_is_lost_can_be_repeated"),
    Case(broken.ShowsItsToken, "no_secret_is_ever_shown"),
    Case(
        broken.ForgetsOperationsOnRestart,
        "an_accepted_mutation_is_followed_to_its_end_after_a_restart",
        steps=2,
    ),
    Case(
        broken.SwallowsLateFailures,
        "poll_raises_the_error_of_an_accepted_mutation_that_changed_nothing",
        {"step": "detach"},
    ),
    Case(
        broken.TakesAFailedPollForAFailure,
        "a_mutation_whose_state_cannot_be_read_goes_on",
        {"failure": Failure.THROTTLED},
        steps=2,
    ),
    Case(
        broken.RaisesOnUnknownHandles,
        "an_unknown_handle_raises_a_cloud_error",
        {"handle": "no-such-operation"},
    ),
    Case(broken.IgnoresTheDeadline, "the_deadline_holds_when_any_call_hangs", {"step": "attach"}),
    Case(
        broken.RefusesItsOwnRepeats,
        "a_mutation_that_took_effect_after_its_deadline_can_be_repeated",
    ),
    Case(broken.StaysBusyWhenCancelled, "a_mutation_that_was_cancelled_can_be_repeated"),
    Case(broken.BlocksTheLoop, "the_event_loop_goes_on_while_the_cloud_is_slow"),
    Case(
        broken.ChecksBeforeItAttaches,
        "of_two_concurrent_attachments_one_succeeds_and_one_is_refused",
    ),
    Case(
        broken.ReportsDetachesItNeverMakes,
        "an_address_detached_while_another_attaches_it_is_where_both_reported",
    ),
    Case(broken.SharesItsState, "one_provider_knows_nothing_of_another"),
    Case(broken.SharesItsState, "another_scope_has_nothing_of_this_one"),
    Case(
        broken.ForgetsTheFence,
        "behind_a_closed_fence_nothing_is_changed_and_all_is_read",
        {"step": "detach"},
    ),
    Case(broken.RepeatsBehindTheFence, "the_fence_is_called_before_every_attempt"),
    Case(broken.ReportsNoCalls, "every_call_that_succeeds_is_reported_once"),
    Case(
        broken.AlwaysReportsSuccess,
        "a_call_that_fails_is_reported_once_with_the_name_of_its_error",
        {"failure": Failure.THROTTLED},
    ),
    Case(
        misreading.ReadsTwice,
        "a_step_takes_no_more_calls_than_the_world_says",
        {"step": "snapshot"},
    ),
)


async def judge(case: Case, kind: type[MemoryProvider], caplog: pytest.LogCaptureFixture) -> None:
    """Run one test of the contract on one provider; raises what the test raises."""
    cloud = MemoryCloud(case.capabilities, operation_steps=case.steps)
    world = MemoryContractWorld(cloud)
    world.secrets = (broken.SECRET,)
    provider = kind(cloud, PATIENT_SECONDS)
    given = {
        "world": world,
        "provider": provider,
        "opening": lambda seconds: kind(cloud, seconds),
        "opening_elsewhere": lambda seconds: kind(MemoryCloud(case.capabilities), seconds),
        "caplog": caplog,
        **case.values,
    }
    test = getattr(ProviderContract(), f"test_{case.test}")
    result = test(**{name: given[name] for name in inspect.signature(test).parameters})
    if inspect.isawaitable(result):
        await result


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_broken_provider_is_caught_and_a_sound_one_is_not(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    await judge(case, MemoryProvider, caplog)
    with pytest.raises((Exception, pytest.fail.Exception)):
        await judge(case, case.kind, caplog)


def test_every_test_of_the_contract_is_shown_to_fail() -> None:
    tests = {name for name in dir(ProviderContract) if name.startswith("test_")}
    assert tests == {f"test_{case.test}" for case in CASES}
