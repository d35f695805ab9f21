"""Matching: which network, which address, which group, which pod and which node is meant."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_danm import NS
from lab_danm import Lab, play

from moorage_danm.kinds import NetworkKind
from moorage_danm.model.addresses import address_of, is_static
from moorage_danm.model.endpoint import endpoint_of
from moorage_danm.model.interfaces import (
    BadInterfaces,
    annotations_of,
    bad_static,
    interfaces_of,
)
from moorage_danm.model.network import NetworkRef, network_of
from moorage_danm.reclaim.eligible import host_node

STATIC = {"network": "net", "ip": "10.0.0.5"}


# Texts.


def test_match_suffix() -> None:
    assert address_of("10.0.0.5") == address_of("10.0.0.5/24") is not None


def test_match_v6_forms() -> None:
    forms = ("2001:db8::5", "2001:0db8:0:0:0:0:0:0005", "2001:DB8::5", "2001:db8::5/64")
    assert len({address_of(one) for one in forms}) == 1
    assert None not in map(address_of, forms)


def test_match_v4_mapped() -> None:
    assert address_of("::ffff:10.0.0.5") == address_of("10.0.0.5")


@pytest.mark.parametrize("text", ["none", "", "dynamic", None, "Dynamic", "10.0.0", "fe80::1%eth0"])
def test_match_none_never_and_match_empty_never(text: object) -> None:
    assert address_of(text) is None


def test_a_word_in_another_case_is_taken_for_a_static_address_as_danm_does() -> None:
    assert is_static("Dynamic")
    (one,) = interfaces_of('[{"network": "net", "ip": "Dynamic"}]', NS)
    assert "Dynamic" in bad_static(one)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('[{"network": "a", "ip": "10.0.0.5"}]', [("DanmNet", NS, "a")]),
        ('[{"tenantNetwork": "a"}, {"clusterNetwork": "b"}]', None),
        ('[{"Network": "a", "IP": "dynamic"}] and more', [("DanmNet", NS, "a")]),
        ("[]", []),
    ],
)
def test_interfaces_are_read_as_danm_reads_them(
    text: str, wanted: list[tuple[str, str, str]] | None
) -> None:
    found = [
        (one.network.kind.value, one.network.namespace, one.network.name)
        for one in interfaces_of(text, NS)
    ]
    if wanted is None:
        wanted = [("TenantNetwork", NS, "a"), ("ClusterNetwork", "", "b")]
    assert found == wanted


@pytest.mark.parametrize(
    "text",
    [
        "[{nope",
        "{}",
        "[1]",
        '[{"ip": "10.0.0.5"}]',
        '[{"network": "a", "clusterNetwork": "b"}]',
        '[{"network": "a", "unknown": 1}]',
        '[{"network": "a", "ip": 5}]',
        "[" * 100_000,
    ],
)
def test_interfaces_that_danm_refuses_are_refused(text: str) -> None:
    with pytest.raises(BadInterfaces):
        interfaces_of(text, NS)


def test_keys_of_both_groups_are_found_and_no_others() -> None:
    annotations = {
        "danm.io/interfaces": "[]",
        "danm.k8s.io/interfaces": "[]",
        "x.danm.io/interfaces.old": "[]",
        "k8s.v1.cni.cncf.io/networks": "[]",
    }
    assert len(annotations_of(annotations)) == 3


def test_ep_v3_fields() -> None:
    raw = {
        "metadata": {"name": "e", "namespace": NS},
        "spec": {"NetworkID": "net", "Interface": {"Address": "10.0.0.5/24"}, "Host": "a"},
    }
    endpoint = endpoint_of("danm.k8s.io", raw)
    assert endpoint.network == NetworkRef(NetworkKind.DANM_NET, NS, "net")
    assert endpoint.pod_uid == ""
    assert [str(one) for one in endpoint.addresses] == ["10.0.0.5"]


# Networks.


def network(**options: Any) -> Any:
    raw = {"metadata": {"name": "net", "namespace": NS}, "spec": {"Options": options}}
    return network_of("danm.k8s.io", NetworkKind.DANM_NET, raw)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"cidr": "10.0.0.0/24", "alloc": "g!"}, "base64"),
        ({"cidr": "10.0.0.0/24", "alloc": "gAE="}, "2 bytes"),
        ({"cidr": "10.0.0.0/xx", "alloc": "gAE="}, "10.0.0.0/xx"),
        ({"alloc": "gAE="}, "alloc"),
        ({"cidr": "10.0.0.0/28", "alloc": 5}, "alloc"),
        ({"allocation_pool_v6": {"cidr": "2001:db8::/64"}, "alloc6": "gAE="}, "alloc6"),
    ],
)
def test_a_network_that_makes_no_sense_says_which_field(options: Any, names: str) -> None:
    assert names in network(**options).problem


def test_v6_bits_begin_at_the_pool_and_not_at_the_network() -> None:
    found = network(
        net6="2001:db8::/64", allocation_pool_v6={"cidr": "2001:db8::100/120"}, alloc6=""
    )
    (part,) = found.parts
    address = address_of("2001:db8::105")
    assert address is not None
    assert part.index(address) == 5


def test_static_addresses_in_the_pool_are_known() -> None:
    """tmpl_pool_overlap_warn, what it rests on."""
    found = network(
        cidr="10.0.0.0/24", allocation_pool={"start": "10.0.0.10", "end": "10.0.0.20"}, alloc=""
    )
    (part,) = found.parts
    inside, outside = address_of("10.0.0.20"), address_of("10.0.0.21")
    assert inside is not None
    assert outside is not None
    assert part.may_be_given(inside)
    assert not part.may_be_given(outside)


# Hosts.


def test_host_mapping_by_name_wins() -> None:
    assert host_node("n1", ["n1", "n2"], [], None) == ("n1", "")


def test_host_mapping_ignores_case() -> None:
    assert host_node("N1.Example.com", ["n1.example.com"], [], None)[0] == "n1.example.com"


def test_host_mapping_ambiguous_is_unknown() -> None:
    name, why = host_node("box", ["n1", "n2"], [], None)
    assert name == ""
    assert "n1, n2" in why


def test_host_mapping_of_a_node_that_is_gone() -> None:
    assert host_node("box", [], ["n1"], None) == ("n1", "")
    assert host_node("box", [], ["n1", "n2"], None)[0] == ""


@pytest.mark.parametrize("host", ["A", "box.example.com", "BOX.example.com"])
def test_host_mapping_of_hosts_that_are_not_called_as_their_node(host: str) -> None:
    async def story(lab: Lab) -> None:
        raw = lab.node_object("a")
        labels = {"kubernetes.io/hostname": "box.example.com"}
        lab.put_node(raw | {"metadata": raw["metadata"] | {"labels": labels}})
        lab.hosts.by_name["a"].cni.host = host
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        lab.fence("a")
        await lab.run(10.0)
        assert lab.bits("net") == set()

    play(story)


def test_host_mapping_of_a_host_that_two_nodes_claim_frees_nothing() -> None:
    async def story(lab: Lab) -> None:
        for name in ("a", "c"):
            raw = lab.node_object(name)
            labels = {"kubernetes.io/hostname": "box"}
            lab.put_node(raw | {"metadata": raw["metadata"] | {"labels": labels}})
        lab.hosts.by_name["a"].cni.host = "box"
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        lab.fence("a")
        await lab.run(600.0)
        assert lab.bits("net") == {5}

    play(story)


def test_host_mapping_of_a_strange_host_by_the_node_of_its_pod() -> None:
    async def story(lab: Lab) -> None:
        lab.hosts.by_name["a"].cni.host = "who-knows"
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        lab.fence("a")
        await lab.run(10.0)
        assert lab.bits("net") == set()

    play(story)


def test_host_mapping_after_a_restart_when_the_node_is_gone() -> None:
    """D9: the surest case. Nobody remembers the node; the pod says which one it was."""

    async def story(lab: Lab) -> None:
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        await lab.world.kill()
        lab.die("a")
        lab.remove_node("a")
        lab.world.begin()
        await lab.run(25.0)
        assert lab.bits("net") == {5}
        await lab.run(10.0)
        assert lab.bits("net") == set()

    play(story)


def test_an_endpoint_of_a_host_that_nobody_knows_is_freed_once_its_pod_is_gone() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        await lab.world.kill()
        lab.die("a")
        lab.remove_node("a")
        lab.force_delete("old")
        lab.world.begin()
        await lab.run(118.0)
        assert lab.bits("net") == {5}
        await lab.run(20.0)
        assert lab.bits("net") == set()
        assert lab.endpoints() == []

    play(story)


# Networks and families, whole.


@pytest.mark.parametrize("kind", ["DanmNet", "TenantNetwork", "ClusterNetwork"])
def test_match_network_identity(kind: str) -> None:
    """D4: the same address in networks of every kind, and in those of other namespaces."""
    key = {"DanmNet": "network"}.get(kind, kind[0].lower() + kind[1:])

    async def story(lab: Lab) -> None:
        for one in NetworkKind:
            lab.net("same", "10.1.0.0/24", kind=one.value)
        lab.net("same", "10.1.0.0/24", namespace="others")
        for name in ("network", "tenantNetwork", "clusterNetwork"):
            node = "a" if name == key else "c"
            lab.pod(f"of-{name.lower()}", node, {name: "same", "ip": "10.1.0.5"})
        await lab.started("of-network", "of-tenantnetwork", "of-clusternetwork")
        lab.fence("a")
        await lab.run(10.0)
        for one in NetworkKind:
            assert lab.bits("same", kind=one.value) == (set() if one.value == kind else {5})
        assert lab.leaks() == []

    play(story)


def test_match_multi_iface_and_match_dual_stack() -> None:
    """D3, D7: every interface, and both families."""

    async def story(lab: Lab) -> None:
        lab.net("two", "10.2.0.0/24", v6="2001:db8::/120")
        wanted = {"network": "two", "ip": "10.2.0.7", "ip6": "2001:db8::9"}
        lab.pod("old", "a", STATIC, wanted, {"network": "two", "ip": "none", "ip6": "2001:db8::a"})
        await lab.started("old")
        assert lab.bits("two", "alloc6") == {9, 10}
        lab.fence("a")
        await lab.run(10.0)
        assert lab.bits("net") == lab.bits("two") == lab.bits("two", "alloc6") == set()
        assert lab.endpoints() == []
        assert lab.network_writes() == 2
        lab.pod("new", "b", STATIC, wanted)
        await lab.started("new")

    play(story)


def test_demand_for_one_of_several_addresses_frees_that_endpoint_only() -> None:
    async def story(lab: Lab) -> None:
        lab.net("two", "10.2.0.0/24")
        lab.pod("old", "a", STATIC, {"network": "two", "ip": "10.2.0.7"})
        await lab.started("old")
        lab.fence("a")
        lab.pod("new", "b", {"network": "two", "ip": "10.2.0.7"})
        await lab.run(20.0)
        assert lab.has_address("new", "10.2.0.7")
        assert lab.bits("net") == {5}

    play(story, trigger="demand")


def test_demand_for_the_address_of_another_network_is_none() -> None:
    async def story(lab: Lab) -> None:
        lab.net("two", "10.0.0.0/24")
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        lab.fence("a")
        lab.pod("new", "b", {"network": "two", "ip": "10.0.0.5"})
        await lab.run(120.0)
        assert lab.bits("net") == {5}

    play(story, trigger="demand")


def test_delegate_ip_untouched() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("old", "a", {"network": "net", "ip": "none"})
        await lab.started("old")
        interface = lab.endpoints("old")[0]["spec"]["Interface"]
        lab.edit_endpoint("old", Interface=interface | {"Address": "192.168.0.5/16"})
        lab.set_bits("net", {0, 5, 255})
        lab.fence("a")
        await lab.run(60.0)
        assert lab.endpoints() == []
        assert lab.bits("net") == {5}
        assert lab.network_writes() == 0

    play(story)


def test_a_static_v6_outside_of_the_pool_has_no_bit() -> None:
    async def story(lab: Lab) -> None:
        lab.net("six", "", v6="2001:db8::100/120", net6="2001:db8::/64")
        lab.pod("old", "a", {"network": "six", "ip6": "2001:db8::5"})
        await lab.started("old")
        lab.fence("a")
        await lab.run(10.0)
        assert lab.endpoints() == []
        assert lab.network_writes() == 0

    play(story)


def test_bits_bad_base64_quarantines_the_network() -> None:
    async def story(lab: Lab) -> None:
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        raw = lab.find_net("DanmNet", NS, "net")
        assert raw is not None
        options = raw["spec"]["Options"]
        bad = raw["spec"] | {"Options": options | {"alloc": "g" + options["alloc"]}}
        lab.server.put(lab.net_kind("DanmNet"), "net", NS, metadata=raw["metadata"], spec=bad)
        lab.fence("a")
        changes = len(lab.world.changes)
        await lab.run(120.0)
        assert len(lab.world.changes) == changes
        assert "NetworkUnreadable" in lab.reasons()
        assert lab.metric("moorage_danm_unreadable_networks") == 1.0
        lab.server.put(
            lab.net_kind("DanmNet"), "net", NS, metadata=raw["metadata"], spec=raw["spec"]
        )
        await lab.run(10.0)
        assert lab.bits("net") == set()

    play(story)


# Groups.


@pytest.mark.parametrize("group", ["danm.k8s.io", "danm.io"])
def test_group_both_one_is_served(group: str) -> None:
    other = "danm.io" if group == "danm.k8s.io" else "danm.k8s.io"

    async def story(lab: Lab) -> None:
        plurals = ("danmeps", "danmnets", "tenantnetworks", "clusternetworks")
        lab.server.unserved |= {f"{one}.{other}" for one in plurals}
        await lab.world.restart()
        await lab.run(2.0)
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        lab.fence("a")
        await lab.run(10.0)
        assert lab.bits("net") == set()

    play(story, group)


def test_group_both_are_served() -> None:
    async def story(lab: Lab) -> None:
        twin = lab.beside("danm.io")
        twin.net("net")
        twin.hosts.by_name["a"] = lab.hosts.by_name["a"]
        twin.hosts.by_name["d"] = twin.node("d")
        lab.pod("old", "a", STATIC)
        twin.pod("old-io", "d", STATIC)
        await lab.started("old")
        await lab.run(5.0)
        assert lab.bits("net") == twin.bits("net") == {5}
        lab.fence("a")
        await lab.run(10.0)
        assert lab.bits("net") == set()
        assert twin.bits("net") == {5}
        twin.fence("d")
        await lab.run(10.0)
        assert twin.bits("net") == set()
        twin.end()

    play(story)


def test_crd_absent() -> None:
    async def story(lab: Lab) -> None:
        lab.server.unserved.add(f"danmnets.{lab.group}")
        await lab.world.restart()
        await lab.run(30.0)
        lab.server.unserved.clear()
        lab.pod("old", "a", STATIC)
        await lab.started("old")
        # It is asked for once a minute whether there is such a kind by now.
        await lab.run(60.0)
        lab.fence("a")
        await lab.run(10.0)
        assert lab.bits("net") == set()

    play(story)
