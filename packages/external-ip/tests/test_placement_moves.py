"""Graceful moves, policy Local, EveryNode, and the life of claims, in virtual time."""

from __future__ import annotations

from typing import Any

from placement_lab import Lab, run

ENDING = {"ready": False, "serving": True, "terminating": True}
STARTING = {"ready": False, "serving": False, "terminating": False}
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


async def leaves(lab: Lab, claim: str, node: str) -> None:
    """At once, and the other node has it."""

    def taken() -> bool:
        now = lab.on(claim)
        return now not in ("", node) and lab.agents[now].holds(claim)

    await lab.until(taken, f"{claim} leaves {node}", 1.5)
    await lab.passes(0.1)
    assert not lab.agents[node].holds(claim)


def test_graceful_moves() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        node = lab.on(claim)
        lab.agents[node].drain()
        await leaves(lab, claim, node)
        lab.agents[node].start()

        node = lab.on(claim)
        lab.edit_node(node, metadata={"labels": {EXCLUDE: "true"}})
        await leaves(lab, claim, node)
        lab.edit_node(node, metadata={"labels": {EXCLUDE: None}})

        node = lab.on(claim)
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
        lab.edit_node(node, spec={"taints": [taint]})
        await leaves(lab, claim, node)
        lab.edit_node(node, spec={"taints": []})

        node = lab.on(claim)
        lab.agents[node].links[0]["carrier"] = False
        lab.agents[node].say()
        await leaves(lab, claim, node)
        assert lab.events("Moved")

    run(play)


def test_the_exclude_label_can_be_ignored() -> None:
    async def play(lab: Lab) -> None:
        lab.pool(ignoreExcludeLabel=True)
        for node in lab.agents:
            lab.edit_node(node, metadata={"labels": {EXCLUDE: "true"}})
        ignoring = lab.claim("10.0.0.1", pool="lab")
        other = lab.claim("10.0.0.2")
        await lab.passes(2.0)
        assert lab.on(ignoring) != ""
        message = f"of 3 nodes 3 are excluded by the label {EXCLUDE}"
        assert message in lab.condition(other)["message"]
        lab.pool(ignoreExcludeLabel=False)
        await lab.passes(2.0)
        assert lab.on(ignoring) != "", "it serves where it is"
        assert lab.reason(ignoring, "Scheduled") == "KeptForLackOfNodes"
        lab.edit_node("n3", metadata={"labels": {EXCLUDE: None}})
        await lab.passes(2.0)
        assert (lab.on(ignoring), lab.on(other)) == ("n3", "n3")
        assert lab.reason(ignoring, "Scheduled") == "Scheduled"

    run(play)


def test_a_cordoned_node_keeps_what_it_has_and_is_the_last_resort() -> None:
    async def play(lab: Lab) -> None:
        first = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        node = lab.on(first)
        lab.edit_node(node, spec={"unschedulable": True})
        others = [lab.claim(f"10.0.0.{number}") for number in range(2, 8)]
        await lab.passes(2.0)
        assert lab.on(first) == node
        assert node not in {lab.on(other) for other in others}
        assert not lab.moves

    run(play)


def test_an_unhealthy_proxy_hands_over_only_to_a_healthy_one() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        first = lab.on(claim)
        other = next(name for name in lab.agents if name != first)
        for node in (first, other):
            lab.agents[node].proxy = "Unhealthy"
            lab.agents[node].say()
        await lab.passes(10.0)
        assert lab.on(claim) == first
        assert lab.reason(claim, "Scheduled") == "KeptForLackOfNodes"
        lab.agents[other].proxy = "Healthy"
        await lab.passes(2.0)
        assert lab.on(claim) == other
        lab.agents[first].proxy = "Healthy"
        await lab.passes(3.0)
        lab.agents[other].proxy = "Unhealthy"
        lab.agents[other].say()
        await lab.passes(0.8)
        lab.agents[other].proxy = "Healthy"
        await lab.passes(10.0)
        assert lab.on(claim) == other, "a proxy that restarts moves nothing"

    run(play, nodes=2)


def test_a_node_without_network_gets_nothing_and_keeps_what_it_has() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        node = lab.on(claim)
        conditions = [{"type": "NetworkUnavailable", "status": "True"}]
        lab.put_node_status(node, conditions=conditions)
        others = [lab.claim(f"10.0.0.{number}") for number in range(2, 6)]
        await lab.passes(2.0)
        assert lab.on(claim) == node
        assert node not in {lab.on(other) for other in others}

    run(play)


def test_policy_local() -> None:
    async def play(lab: Lab) -> None:
        lab.service("web", local=True)
        lab.endpoints("web", n2="ready")
        claim = lab.claim("10.0.0.1", "web")
        await lab.passes(2.0)
        assert lab.on(claim) == "n2"
        lab.endpoints("web", n3="ready")
        await lab.until(lambda: lab.agents["n3"].holds(claim), "it follows", 3.0)
        lab.endpoints("web")
        await lab.passes(2.0)
        assert lab.on(claim) == ""
        assert not any(agent.holds(claim) for agent in lab.agents.values())
        assert lab.reason(claim) == "NoEndpoints"
        assert lab.find(claim)["spec"]["services"], "the Service keeps its address"
        lab.endpoints("web", n1="ready")
        await lab.passes(2.0)
        assert lab.on(claim) == "n1"
        assert lab.find(claim)["spec"]["previous"]["nodeName"] == "n3"

    run(play)


def test_a_rolling_update_with_one_ready_pod_loses_no_address() -> None:
    async def play(lab: Lab) -> None:
        lab.service("web", local=True)
        lab.endpoints("web", n1="ready")
        claim = lab.claim("10.0.0.1", "web")
        await lab.passes(2.0)
        steps: list[dict[str, Any]] = [
            {"n1": "ready", "n2": STARTING},
            {"n1": "ready", "n2": "ready"},
            {"n1": ENDING, "n2": "ready"},
            {"n2": "ready"},
            {"n2": "ready", "n3": STARTING},
            {"n2": "ready", "n3": "ready"},
            {"n2": ENDING, "n3": "ready"},
        ]
        for step in steps:
            lab.endpoints("web", **step)
            for _ in range(20):
                await lab.passes(0.1)
                assert lab.on(claim) in step
                assert step[lab.on(claim)] is not STARTING
        assert lab.on(claim) == "n3"
        assert [(old, new) for _, old, new in lab.moves] == [("n1", "n2"), ("n2", "n3")]

    run(play)


def test_a_change_of_the_policy_is_followed() -> None:
    async def play(lab: Lab) -> None:
        lab.service("web")
        lab.endpoints("web", n3="ready")
        claim = lab.claim("10.0.0.1", "web")
        other = lab.claim("10.0.0.2", "web")
        await lab.passes(2.0)
        assert lab.on(claim) != lab.on(other)
        lab.edit_service("web", externalTrafficPolicy="Local")
        await lab.passes(1.0)
        assert (lab.on(claim), lab.on(other)) == ("n3", "n3")

    run(play)


def test_a_node_that_comes_to_be_better_for_its_endpoints_is_taken() -> None:
    async def play(lab: Lab) -> None:
        lab.agents["n2"].drain()
        lab.service("web", local=True)
        lab.endpoints("web", n1=ENDING, n2="ready")
        claim = lab.claim("10.0.0.1", "web")
        await lab.passes(2.0)
        assert lab.on(claim) == "n1"
        lab.agents["n2"].start()
        await lab.passes(2.0)
        assert lab.on(claim) == "n2"

    run(play)


def test_a_late_node_is_left_as_soon_as_it_can_hear_of_it() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        node = lab.on(claim)
        lab.agents[node].sees_api = False
        # Longer than half of its lease, and shorter than all of it.
        await lab.passes(2.8)
        lab.edit_node(node, metadata={"labels": {EXCLUDE: "true"}})
        await lab.passes(0.1)
        assert lab.on(claim) == node
        lab.agents[node].sees_api = True
        await lab.passes(1.2)
        assert lab.on(claim) != node

    run(play)


def test_an_ending_endpoint_keeps_the_address_until_some_node_has_a_ready_one() -> None:
    async def play(lab: Lab) -> None:
        lab.service("web", local=True)
        lab.endpoints("web", n1="ready")
        claim = lab.claim("10.0.0.1", "web")
        await lab.passes(2.0)
        lab.endpoints("web", n1=ENDING, n2=ENDING, n3=STARTING)
        await lab.passes(5.0)
        assert lab.on(claim) == "n1"
        lab.endpoints("web", n2=ENDING, n3=STARTING)
        await lab.passes(1.0)
        assert lab.on(claim) == "n2"
        lab.endpoints("web", n2=ENDING, n3="ready")
        await lab.passes(1.0)
        assert lab.on(claim) == "n3"

    run(play)


def test_endpoints_without_a_node_are_placed_as_with_policy_cluster() -> None:
    async def play(lab: Lab) -> None:
        lab.service("web", local=True)
        lab.endpoints("web", **{"": "ready"})
        claim = lab.claim("10.0.0.1", "web")
        await lab.passes(2.0)
        assert lab.on(claim) != ""
        assert lab.reason(claim, "LocalEndpoints") == "EndpointsWithoutNode"
        lab.endpoints("web", n3="ready")
        await lab.passes(2.0)
        assert lab.on(claim) == "n3"
        assert lab.condition(claim, "LocalEndpoints")["status"] == "True"

    run(play)


def test_a_shared_address_goes_where_all_local_services_have_endpoints() -> None:
    async def play(lab: Lab) -> None:
        for name in ("a", "b"):
            lab.service(name, local=True)
            await lab.passes(1.0)
        lab.endpoints("a", n1="ready", n2="ready")
        lab.endpoints("b", n2="ready", n3="ready")
        claim = lab.claim("10.0.0.1", "a", "b")
        await lab.passes(2.0)
        assert lab.on(claim) == "n2"
        lab.endpoints("b", n3="ready")
        await lab.passes(2.0)
        assert lab.on(claim) == "n2", "the older one goes on being served"
        condition = lab.condition(claim, "LocalEndpoints")
        assert condition["reason"] == "NoCommonNode"
        assert "default/b waits" in condition["message"]
        assert "default/a" in condition["message"]
        lab.endpoints("b", n1="ready")
        await lab.passes(2.0)
        assert lab.on(claim) == "n1"
        assert lab.condition(claim, "LocalEndpoints")["status"] == "True"

    run(play)


def test_every_node() -> None:
    async def play(lab: Lab) -> None:
        lab.node("n4", "192.168.0.1/24")
        await lab.passes(1.0)
        claim = lab.claim("10.0.0.1", placement="EveryNode")
        await lab.passes(2.0)
        assert lab.every(claim) == ["n1", "n2", "n3", "n4"]
        assert all(agent.holds(claim) for agent in lab.agents.values())
        lab.agents["n2"].drain()
        lab.edit_node("n3", metadata={"labels": {EXCLUDE: "true"}})
        await lab.passes(1.0)
        assert lab.every(claim) == ["n1", "n4"]
        lab.agents["n4"].kill()
        await lab.passes(4.0)
        assert lab.every(claim) == ["n1", "n4"]
        await lab.passes(8.0)
        assert lab.every(claim) == ["n1"]
        lab.agents["n4"].start()
        await lab.passes(2.0)
        assert lab.every(claim) == ["n1", "n4"]

    run(play)


def test_every_node_with_policy_local() -> None:
    async def play(lab: Lab) -> None:
        lab.service("web", local=True)
        lab.endpoints("web", n1="ready", n2=ENDING)
        claim = lab.claim("10.0.0.1", "web", placement="EveryNode")
        await lab.passes(2.0)
        assert lab.every(claim) == ["n1"]
        lab.endpoints("web", n1="ready", n3="ready")
        await lab.passes(1.0)
        assert lab.every(claim) == ["n1", "n3"]
        lab.endpoints("web")
        await lab.passes(1.0)
        assert lab.every(claim) == []
        assert lab.reason(claim) == "NoEndpoints"

    run(play)


def test_preferences_count_before_the_number_of_addresses_and_move_nothing() -> None:
    async def play(lab: Lab) -> None:
        lab.edit_node("n3", metadata={"labels": {"fast": "yes"}})
        wish = {"weight": 50, "nodeSelector": {"matchLabels": {"fast": "yes"}}}
        lab.pool(preferences=[wish])
        claims = [lab.claim(f"10.0.0.{number}", pool="lab") for number in range(1, 7)]
        await lab.passes(2.0)
        assert {lab.on(claim) for claim in claims} == {"n3"}
        lab.edit_node("n3", metadata={"labels": {"fast": None}})
        lab.edit_node("n1", metadata={"labels": {"fast": "yes"}})
        await lab.passes(10.0)
        assert not lab.moves

    run(play)


def test_a_pool_that_selects_other_nodes_moves_its_addresses() -> None:
    async def play(lab: Lab) -> None:
        lab.pool()
        claim = lab.claim("10.0.0.1", pool="lab")
        await lab.passes(2.0)
        node = lab.on(claim)
        other = next(name for name in lab.agents if name != node)
        lab.edit_node(other, metadata={"labels": {"edge": ""}})
        lab.pool(nodeSelector={"matchExpressions": [{"key": "edge", "operator": "Exists"}]})
        await lab.passes(1.0)
        assert lab.on(claim) == other

    run(play)


def test_labels_of_others_stay_and_claims_of_the_first_version_are_adopted() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.seed_claim("10.0.0.7", "n2", {"ip-pool-name": "test-pool", "mine": "too"})
        lost = lab.seed_claim("10.0.0.8", "n9", {"ipnode": "n9", "ip-pool-name": "test-pool"})
        await lab.passes(2.0)
        assert lab.on(claim) == "n2"
        labels = {"ip-pool-name": "test-pool", "mine": "too", "ipnode": "n2"}
        assert lab.find(claim)["metadata"]["labels"] == labels
        assert lab.reason(lost) == "LeaseMissing"
        await lab.until(lambda: lab.on(lost) != "n9", "moved", 40.0)
        assert lab.on(lost) in ("n1", "n2", "n3")
        assert lab.find(lost)["metadata"]["labels"]["ip-pool-name"] == "test-pool"

    run(play)


def test_conflicts_are_said_by_the_claim() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        assert lab.reason(claim) == "Announced"
        node = lab.on(claim)
        said = {
            "state": "Conflict",
            "mac": "0a:0b:0c:0d:0e:0f",
            "message": "is at 0a:0b:0c:0d:0e:0f",
        }
        lab.report(claim, node, said)
        await lab.passes(1.0)
        assert lab.reason(claim) == "Conflict"
        assert lab.condition(claim, "Conflict")["status"] == "True"
        assert lab.events("Conflict")
        lab.report(claim, node, {"state": "Announced", "mac": "", "message": ""})
        await lab.passes(1.0)
        assert lab.condition(claim, "Conflict")["status"] == "False"
        assert lab.condition(claim)["status"] == "True"

    run(play)


def test_the_mirror_of_a_node_is_written_only_on_a_change() -> None:
    async def play(lab: Lab) -> None:
        await lab.passes(2.0)
        first = lab.mirror("n1")
        assert first["Revision"] == "1"
        assert first["status"]["live"] is True
        assert first["status"]["links"][0]["subnets"] == ["10.0.0.201/16"]
        await lab.passes(60.0)
        assert (
            lab.mirror("n1")["metadata"]["resourceVersion"]
            == (first["metadata"]["resourceVersion"])
        )
        lab.agents["n1"].kill()
        await lab.passes(7.0)
        assert lab.mirror("n1")["status"]["live"] is False
        assert lab.events("Lost")

    run(play)
