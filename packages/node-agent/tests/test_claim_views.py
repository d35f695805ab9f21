"""What an agent makes of an IpClaim, and of its own settings."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_domain.families import parse_address
from moorage_kube.manager.settings import load
from moorage_node_agent.link.choose import Wish
from moorage_node_agent.model import Claim
from moorage_node_agent.projections import view_of
from moorage_node_agent.settings import NodeAgentSettings
from moorage_node_agent.state import by_address


def raw(spec: dict[str, Any], **meta: Any) -> dict[str, Any]:
    whole = {"cidr": "10.0.0.7/24", "nodeName": "n1"} | spec
    return {"metadata": {"name": "10-0-0-7-24", "uid": "u"} | meta, "spec": whole}


def test_a_claim_of_the_first_version_is_understood() -> None:
    assert view_of("n1", raw({"link": ""})).claim == Claim(
        "10-0-0-7-24", "u", parse_address("10.0.0.7")
    )


def test_all_that_a_claim_can_say_is_kept() -> None:
    spec = {
        "cidr": "2001:db8::7/64",
        "interfacePattern": "eth.*",
        "ports": [{"port": 80}, {"protocol": "UDP", "port": 53}],
        "healthCheckNodePorts": [31000],
        "previous": {"nodeName": "n2", "macs": ["02:00:00:00:00:AB"]},
    }
    assert view_of("n1", raw(spec)).claim == Claim(
        "10-0-0-7-24",
        "u",
        parse_address("2001:db8::7"),
        Wish(pattern="eth.*"),
        frozenset({("TCP", 80), ("UDP", 53)}),
        (31000,),
        frozenset({"02:00:00:00:00:ab"}),
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeName": "n2"},
        {"nodeName": ""},
        {"cidr": "nonsense"},
        {"cidr": "::ffff:10.0.0.7/128"},
        {"placement": "EveryNode", "nodeNames": ["n2"]},
    ],
)
def test_what_is_not_for_this_node_is_no_claim_of_it(spec: dict[str, Any]) -> None:
    assert view_of("n1", raw(spec)).claim is None


def test_a_claim_that_is_being_deleted_is_let_go() -> None:
    assert view_of("n1", raw({}, deletionTimestamp="2026-01-01T00:00:00Z")).claim is None


def test_every_node_that_is_named_has_it_on_lo() -> None:
    spec = {"nodeName": "", "placement": "EveryNode", "nodeNames": ["n0", "n1"]}
    claim = view_of("n1", raw(spec)).claim
    assert claim is not None
    assert claim.wish == Wish(loopback=True)


def test_what_the_status_says_of_this_node_is_kept_and_of_others_is_not() -> None:
    whole = raw({}) | {"status": {"nodes": {"n1": {"state": "Probing"}, "n2": {"state": "NoLink"}}}}
    assert view_of("n1", whole).said == {"state": "Probing"}
    assert view_of("n3", whole).said is None


def test_of_two_claims_of_one_address_the_first_by_name_has_it() -> None:
    address = parse_address("10.0.0.7")
    two = [Claim(name, "u", address) for name in ("10-0-0-7-32", "10-0-0-7-24")]
    found, doubled = by_address(two)
    assert found == {address: two[1]}
    assert doubled == {"10-0-0-7-32": "10-0-0-7-24"}


def test_defaults_let_addresses_end_before_the_lease() -> None:
    policy = load(NodeAgentSettings, ["--node-name", "n1"]).policy()
    assert policy.valid_at_first == 2
    assert (policy.valid, policy.refresh, policy.withdraw_after) == (3, 1.5, 4.0)
    assert not policy.withdraw


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--valid-seconds", "4"], "--lease-seconds must be at least 5.7"),
        (["--renew-seconds", "2"], "--valid-seconds must be twice --renew-seconds"),
    ],
)
def test_times_that_would_let_two_nodes_have_an_address_are_refused(
    capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    with pytest.raises(SystemExit):
        load(NodeAgentSettings, ["--node-name", "n1", *flags])
    assert words in capsys.readouterr().err


def test_the_seeds_flag_names_the_link() -> None:
    assert load(NodeAgentSettings, ["--node-name", "n1", "--iface", "eth7"]).interface == "eth7"


def test_seed_compat_of_the_agents_flags() -> None:
    flags = ["--iface=eth0", "--hostname", "n1", "--hb=500ms", "--logtostderr", "--v=5"]
    settings = load(NodeAgentSettings, flags)
    assert (settings.interface, settings.node_name) == ("eth0", "n1")
    assert [one.partition(":")[0] for one in settings.ineffective()] == [
        "--hb", "--logtostderr", "--v",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--interface-pattern", "(a+)+"), ("--interface-pattern", "(a+)+", "as in eth[0-9]+")),
        (("--interface-pattern", "eth["), ("--interface-pattern", "eth[", "write letters")),
        (("--interface", "eth0123456789abcd"), ("--interface", "eth0123456789abcd", "15")),
        (
            ("--interface", "eth0", "--interface-pattern", "eth1"),
            ("--interface-pattern", "eth1", "leave one of them out"),
        ),
    ],
)
def test_a_link_that_cannot_be_meant_is_refused_at_once(
    flags: tuple[str, ...], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        load(NodeAgentSettings, ["--node-name", "n1", *flags])
    assert refused.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert [word for word in words if word not in line] == [], line
