"""What is promised of addresses, for machines, external or DANM's, has a test of its name."""

from __future__ import annotations

import functools
import re

import pytest

from .files import python_files

# What must hold, in the words of the design: a test has the name, perhaps with more words.
_NAMES = """
    alloc_first_is_usable alloc_subrange_edges alloc_slash31_32 alloc_exclusions alloc_requested_ip
    alloc_v6_64_no_materialise alloc_dual_stack_two_pools
    uniq_two_replicas uniq_overlapping_pools uniq_same_cidr_two_networks uniq_cross_namespace
    crash_each_step restart_list_failure
    release_after_vm_gone release_reuse_delay release_offline_delete
    claim_create_then_delete claim_foreign_ignored claim_nil_apigroup claim_kind_plural
    claim_conditions claim_fairness_wake claim_paused
    pool_delete_guard pool_edit_live pool_status_counts addr_recreate contract_v1beta1_v1beta2
    hook_precreate_single_patch hook_multi_device hook_unknown_fields_kept
    hook_deleting_no_late_add hook_authoritative_capi nmstate_golden
    import_seed_state observed_static_machine rbac_minimal prop_allocator soak_chaos
"""
# Races, by their numbers in the design: what two writers, a crash or a late answer must not break.
_RACES = [f"r{number}" for number in range(1, 21)]


# Services over secondary networks and net-attach-defs, by their numbers in the design.
_ENDPOINTS = [f"na_{number:02}" for number in range(1, 44)]

# Where the core did harm, by number: Ready taken for usable (1-6), what clouds really do (7-13),
# clocks, labels and words (14-19), what people on call see (20-29).
_HARM = [f"harm_{number:02}" for number in range(1, 30)]

# Of external addresses: a test has the name, perhaps with more words.
_EXTERNAL_NAMES = """
    failover_sigkill_500 failover_sigstop_resume failover_node_loss partition_api_only
    partition_node_to_node api_outage_60s graceful_drain stale_scan_on_start own_ip_safe
    cascade_free reannounce_linkflap periodic_garp dad_conflict_v4_v6 late_pool freed_retry
    exhaustion_visible double_alloc_race restart_no_steal shared_ip manual_pool_ip_owner dual_stack
    lb_class status_heal policy_local subnet_aware fair_spread sticky mass_death_guard clock_skew
    validation source_addr seed_compat
"""
# Of the admission service of danm, as above.
_DANM_WEBHOOK_NAMES = """
    adm_malformed_json adm_not_a_review adm_unknown_version adm_echo_contract adm_oversized
    adm_slowloris adm_content_type adm_method adm_unknown_path adm_non_pod_kind adm_subresource
    adm_deep_json adm_bad_annotation adm_warning_limits adm_dry_run adm_admit_all adm_handler_bug
    adm_namespace_from_request adm_generate_name adm_all_dynamic adm_not_synced adm_sync_budget
    adm_concurrent_same_ip adm_no_cross_talk
    tls_wrong_client_cert tls_no_client_cert tls_right_ca_wrong_cn tls_expired_client tls_12_min
    tls_rotate_live tls_rotate_bad_pair tls_ca_overlap
    tmpl_replicas_warn tmpl_surge_warn tmpl_daemonset_warn tmpl_pool_overlap_warn
"""
# Of its reclaim controller.
_DANM_NAMES = """
    bits_golden bits_roundtrip bits_bad_base64 match_suffix match_v6_forms match_v4_mapped
    match_none_never match_empty_never match_network_identity match_multi_iface match_dual_stack
    group_both crd_absent ep_v3_fields delegate_ip_untouched host_mapping
    rec_gone rec_out_of_service rec_shutdown_taint rec_ready_false_never rec_immediate_parity
    rec_unreachable_grace rec_no_deletion_timestamp rec_lease_fresh_vetoes rec_flap
    rec_mass_failure rec_statefulset_twin rec_empty_uid_live rec_single_stack rec_conflict
    rec_conflict_forever rec_batch rec_claimed_elsewhere rec_reserved_bits rec_crash_at_each_step
    rec_node_returns rec_del_after_reassign rec_network_missing rec_rbac_denied rec_stolen_alert
    rec_cleaner_present_refuses_eager rec_two_leaders
"""
# What can go wrong with external addresses, by its number in the design: the tests that say what
# is right then.
_EXTERNAL_TROUBLE = {
    "1 an agent is killed": "failover_sigkill_500",
    "2 an agent hangs and goes on": "failover_sigstop_resume",
    "3 a node is powered off": "failover_node_loss",
    "4 a node is cut from the API": "partition_api_only",
    "5 the API is down for all": "api_outage_60s",
    "6 the scheduler restarts": "a_restart_of_the_scheduler_moves_nothing restart_no_steal",
    "7 two schedulers": "double_alloc_race the_whole_process_comes_to_rest_after_random_lives",
    "8 addresses come free": "late_pool freed_retry",
    "9 a pool is shrunk or deleted":
        "a_pool_edited_under_live_addresses a_pool_in_use_waits_for_its_last_address",
    "10 two ask for one address": "shared_ip",
    "11 a Service asks for a node's address": "own_ip_safe",
    "12 a foreign host has it":
        "dad_conflict_v4_v6 an_address_that_a_foreign_machine_has_is_left_for_another_one",
    "13 an address or its link is taken away":
        "reannounce_linkflap a_hand_removed_address_is_back_and_announced",
    "14 a node drains, or is excluded": "graceful_drain graceful_moves",
    "15 the last endpoint leaves": "policy_local",
    "16 a Service asks for nothing more": "a_service_that_leaves_its_type_gives_its_address_back",
    "17 an agent goes for good, or gets another link":
        "graceful_drain_leaves_nothing_behind an_address_on_another_link_moves_to_its_own",
    "18 a clock jumps": "clock_skew",
    "19 a burst while a node joins": "a_burst_is_spread_evenly_while_a_node_joins",
}  # fmt: skip
# What the first version's own tests on a cluster did, in their order.
_SEED_CASES = {
    "a client reaches the address": "seed_two_external_ips_are_two_claims_and_both_are_reached",
    "the kinds are there": "kubectl_shows_node_service_and_phase",
    "two external IPs are two claims": "seed_two_external_ips_are_two_claims",
    "a frozen leader is replaced": "seed_while_the_leader_is_frozen_the_next_claims_are_made",
    "allocated by itself and freed": "seed_compat_annotation_flags_and_external_ips",
    "a pool is written and read": "seed_compat_objects_of_the_first_version_are_taken_as_they_are",
    "an agent applies a claim": "an_address_is_held_and_announced_by_the_node_that_its_claim_names",
    "an address removed by hand is back": "a_hand_removed_address_is_back_and_announced",
    "orphans go": "seed_claims_of_services_that_went_while_nobody_looked_go",
    "even spread, fail-over and return": "seed_even_spread_over_two_macs",
    "new agents keep the addresses": "a_rollout_moves_nothing_and_loses_nothing",
    "every node has all addresses": "every_node_has_the_address_on_lo_and_answers_no_arp",
}


@functools.cache
def _tests() -> tuple[str, ...]:
    """The names of all tests."""
    paths = (path for path in python_files() if path.name.startswith("test_"))
    return tuple(
        name
        for path in paths
        for name in re.findall(
            r"^ *(?:async )?def test_(\w+)", path.read_text("utf-8"), re.MULTILINE
        )
    )


@pytest.mark.parametrize(
    "name",
    [
        *_NAMES.split(),
        *_RACES,
        *_ENDPOINTS,
        *_HARM,
        *_EXTERNAL_NAMES.split(),
        *_DANM_WEBHOOK_NAMES.split(),
        *_DANM_NAMES.split(),
    ],
)
def test_each_has_a_test_of_its_name(name: str) -> None:
    assert _is_there(name)


@pytest.mark.parametrize("trouble", [*_EXTERNAL_TROUBLE, *_SEED_CASES])
def test_each_trouble_of_external_addresses_has_its_tests(trouble: str) -> None:
    names = (_EXTERNAL_TROUBLE | _SEED_CASES)[trouble].split()
    assert [name for name in names if not _is_there(name)] == []


def _is_there(name: str) -> bool:
    return any(f"_{name}_" in f"_{test}_" for test in _tests())
