"""Placement in virtual time: nodes are lost, agents restart, most leases end, services burst."""

from __future__ import annotations

from placement_lab import Lab, run

from moorage_testing.apiserver import Fault


def claims_of(lab: Lab, count: int) -> list[str]:
    return [lab.claim(f"10.0.{n // 250}.{n % 250 + 1}") for n in range(count)]


def test_failover_node_loss() -> None:
    async def play(lab: Lab) -> None:
        claims = claims_of(lab, 30)
        await lab.passes(2.0)
        lost = [claim for claim in claims if lab.on(claim) == "n1"]
        assert len(lost) == 10
        lab.agents["n1"].kill()

        def taken_over() -> bool:
            return all(lab.on(one) != "n1" and lab.agents[lab.on(one)].holds(one) for one in lost)

        assert await lab.until(taken_over, "all of n1 elsewhere", 7.0) > 3.0
        assert len(lab.moves) == 10
        assert lab.spread() == {"n1": 0, "n2": 15, "n3": 15}
        previous = lab.find(lost[0])["spec"]["previous"]
        assert previous == {"nodeName": "n1", "macs": ["02:00:00:00:00:01"]}

    run(play)


def test_failover_when_the_node_object_goes_with_its_lease() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        first = lab.on(claim)
        lab.remove_node(first)
        await lab.until(lambda: lab.on(claim) not in ("", first), "moved", 7.0)
        await lab.passes(10.0)
        assert first not in lab.find(claim)["status"]["nodes"]

    run(play)


def test_fair_spread() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 300)
        await lab.passes(10.0)
        assert lab.spread() == {"n1": 100, "n2": 100, "n3": 100}

    run(play)


def test_sticky() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 30)
        await lab.passes(2.0)
        lab.agents["n1"].kill()
        await lab.until(lambda: lab.spread()["n1"] == 0, "n1 is empty", 7.0)
        moves = len(lab.moves)
        lab.agents["n1"].start()
        await lab.passes(120.0)
        assert len(lab.moves) == moves
        assert not lab.agents["n1"].held

    run(play)


def test_a_burst_is_spread_evenly_while_a_node_joins() -> None:
    async def play(lab: Lab) -> None:
        old = claims_of(lab, 9)
        await lab.passes(2.0)
        before = {claim: lab.on(claim) for claim in old}
        lab.node("n4")
        await lab.passes(1.0)
        for number in range(1000):
            lab.claim(f"10.0.{10 + number // 250}.{number % 250 + 1}")
        await lab.passes(20.0)
        counts = lab.spread().values()
        assert sum(counts) == 1009
        assert max(counts) - min(counts) <= 1
        assert {claim: lab.on(claim) for claim in old} == before
        assert not lab.moves

    run(play)


def test_first_alive() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 6)
        await lab.passes(2.0)
        assert lab.spread() == {"n1": 6, "n2": 0, "n3": 0}

    run(play, node_filter="first-alive")


def test_subnet_aware() -> None:
    async def play(lab: Lab) -> None:
        lab.node("b1", "10.9.0.5/16")
        await lab.passes(1.0)
        claims = claims_of(lab, 8)
        routed = lab.claim("10.9.0.77")
        await lab.passes(2.0)
        assert {lab.on(claim) for claim in claims} == {"n1", "n2"}
        assert lab.on(routed) == "b1"
        lab.agents["n1"].kill()
        lab.agents["n2"].kill()
        await lab.passes(30.0)
        assert {lab.on(claim) for claim in claims} == {"n1", "n2"}, "b1 has no link for them"
        assert lab.reason(claims[0]) == "NodeLost"
        assert "1 without a link that fits" in lab.condition(claims[0])["message"]

    run(play, nodes=2)


def test_a_named_link_needs_no_subnet() -> None:
    async def play(lab: Lab) -> None:
        bare = lab.node("bare", "fe80::1/64")
        bare.links[0]["name"] = "uplink0"
        bare.say()
        await lab.passes(1.0)
        named = lab.claim("172.16.0.1", interface="uplink0")
        pattern = lab.claim("172.16.0.2", interfacePattern="up[a-z]+[0-9]")
        half = lab.claim("172.16.0.3", interfacePattern="up")
        await lab.passes(2.0)
        assert (lab.on(named), lab.on(pattern), lab.on(half)) == ("bare", "bare", "")
        assert lab.reason(half) == "NoEligibleNode"

    run(play)


def test_seed_label_selects_nodes() -> None:
    async def play(lab: Lab) -> None:
        claim = lab.claim("10.0.0.1")
        await lab.passes(2.0)
        assert lab.on(claim) == ""
        message = "no node can have it: of 3 nodes 3 are not selected by labels"
        assert lab.condition(claim)["message"] == message
        lab.edit_node("n2", metadata={"labels": {"ipcontroller": ""}})
        await lab.passes(2.0)
        assert lab.on(claim) == "n2"

    run(play, node_selector="ipcontroller=")


def test_mass_death_guard() -> None:
    async def play(lab: Lab) -> None:
        claims = claims_of(lab, 50)
        await lab.passes(3.0)
        frozen = ("n1", "n2", "n3")
        for node in frozen:
            lab.agents[node].kill()
        await lab.passes(8.0)
        assert not lab.moves
        held = next(claim for claim in claims if lab.on(claim) in frozen)
        assert lab.reason(held) == "MovesHeld"
        assert lab.condition(held, "Scheduled")["status"] == "Unknown"
        assert lab.events("MovesHeld")
        await lab.until(lambda: len(lab.moves) == 30, "the API is proven well", 7.0)
        assert lab.spread() == {"n1": 0, "n2": 0, "n3": 0, "n4": 25, "n5": 25}

    run(play, nodes=5)


def test_mass_death_guard_of_those_who_come_back() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 50)
        await lab.passes(3.0)
        for node in ("n1", "n2", "n3"):
            lab.agents[node].sees_api = False
        await lab.passes(7.0)
        for node in ("n1", "n2", "n3"):
            lab.agents[node].sees_api = True
        await lab.passes(60.0)
        assert not lab.moves

    run(play, nodes=5)


def test_api_outage_60s() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 20)
        await lab.passes(3.0)
        for agent in lab.agents.values():
            agent.sees_api = False
        outage = Fault("", 503, {"reason": "ServiceUnavailable"}, times=10**6)
        lab.server.faults.append(outage)
        lab.server.cut_watches()
        await lab.passes(60.0)
        # They come back one after the other.
        lab.server.faults.clear()
        for agent in lab.agents.values():
            agent.sees_api = True
            await lab.passes(1.5)
        await lab.passes(120.0)
        assert not lab.moves

    for nodes in (2, 3):
        run(play, nodes=nodes)


def test_clock_skew() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        lab.agents["n1"].skew = -3600.0
        lab.agents["n2"].skew = 3600.0
        await lab.passes(60.0)
        assert not lab.moves
        assert lab.spread() == {"n1": 4, "n2": 4, "n3": 4}

    run(play)


def test_a_rollout_of_agents_moves_nothing() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        for agent in lab.agents.values():
            agent.restart_gracefully(30.0)
            await lab.passes(20.0)
            assert all(agent.holds(claim) for claim in agent.held)
            agent.start()
            await lab.passes(20.0)
        assert not lab.moves
        assert lab.spread() == {"n1": 4, "n2": 4, "n3": 4}

    run(play)


def test_a_node_that_dies_during_its_hold_is_covered_when_it_ends() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        lab.agents["n1"].restart_gracefully(30.0)
        await lab.passes(10.0)
        new = lab.claim("10.0.9.1")
        await lab.passes(15.0)
        assert not lab.moves
        assert lab.on(new) in ("n2", "n3")
        mirror = lab.mirror("n1")
        assert mirror["status"]["holdUntil"]
        assert mirror["status"]["live"] is False
        await lab.until(lambda: lab.spread()["n1"] == 0, "n1 is covered", 7.0)

    run(play)


def test_a_restart_of_the_scheduler_moves_nothing_and_places_nothing_on_the_dead() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        lab.agents["n1"].kill()
        await lab.until(lambda: lab.spread()["n1"] == 0, "n1 is empty", 7.0)
        moves = len(lab.moves)
        for number in range(5):
            await lab.world.restart()
            new = lab.claim(f"10.0.7.{number + 1}")
            await lab.passes(4.0)
            assert lab.on(new) == "", "nobody is judged in the first lease"
            await lab.passes(3.0)
            assert lab.on(new) in ("n2", "n3")
        assert len(lab.moves) == moves

    run(play)


def test_a_node_lost_while_the_scheduler_was_down_is_left() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        await lab.world.kill()
        lab.agents["n1"].kill()
        lab.world.begin()
        await lab.until(lambda: lab.spread()["n1"] == 0, "n1 is empty", 8.0)

    run(play)


def test_a_hold_that_no_watch_has_shown_is_found_before_anything_is_moved() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        agent = lab.agents["n1"]
        agent.restart_gracefully(30.0, shown=False)
        await lab.passes(15.0)
        assert all(agent.holds(claim) for claim in agent.held)
        assert not lab.moves
        await lab.until(lambda: lab.spread()["n1"] == 0, "the end of the hold", 30.0)

    run(play)


def test_a_hold_of_a_node_that_is_gone_outlives_a_restart_of_the_scheduler() -> None:
    """Node and Lease are deleted while the machine holds for an agent that restarts."""

    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        agent = lab.agents["n1"]
        agent.restart_gracefully(30.0)
        await lab.passes(1.0)
        lab.remove_node("n1")
        await lab.passes(1.0)
        await lab.world.restart()
        await lab.passes(20.0)
        (claim, *_) = agent.held
        assert agent.holds(claim)
        assert lab.reason(claim) == "LeaseMissing"
        assert lab.condition(claim, "Scheduled")["status"] == "Unknown"
        assert not lab.moves
        await lab.until(lambda: lab.spread()["n1"] == 0, "the end of the longest hold", 15.0)

    run(play)


def test_nothing_is_moved_while_the_lease_cannot_be_asked_for() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        path = "/leases/moorage-agent-n1"
        lab.server.faults.append(
            Fault("GET", 503, {"reason": "Unavailable"}, times=10**6, path=path)
        )
        lab.agents["n1"].kill()
        await lab.passes(20.0)
        assert not lab.moves
        lab.server.faults.clear()
        await lab.until(lambda: lab.spread()["n1"] == 0, "the lost node to be left", 60.0)

    run(play)


def test_five_hundred_moves_ask_for_the_lease_a_few_times() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 1000)
        await lab.passes(5.0)
        lab.agents["n1"].kill()
        asked = len(lab.server.asked)
        await lab.until(lambda: lab.spread()["n1"] == 0, "the lost node to be left", 7.0)
        reads = [one for one in lab.server.asked[asked:] if one.path.endswith("agent-n1")]
        assert len(lab.moves) == 500
        assert 1 <= len(reads) <= 20

    run(play, nodes=2)


def test_a_node_that_is_late_for_a_moment_costs_no_pass() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 30)
        await lab.passes(3.0)
        before = lab.looks()
        assert before is not None
        lab.agents["n1"].sees_api = False
        await lab.passes(2.8)
        lab.agents["n1"].sees_api = True
        await lab.passes(10.0)
        assert lab.looks() == before

    run(play)


def test_series_say_how_nodes_are_and_count_the_moves() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        lab.agents["n1"].kill()
        await lab.passes(10.0)
        assert lab.series("nodes", life="live") == 2
        assert lab.series("nodes", life="lost") == 1
        assert lab.series("node_addresses", node="n1") == 0
        assert lab.series("node_addresses", node="n2") == 6
        assert lab.series("moves_held") == 0
        assert lab.series("placements_total", reason="Placed") == 12
        assert lab.series("placements_total", reason="Moved") == 4

    run(play)


def test_a_frozen_scheduler_moves_nothing_when_it_resumes() -> None:
    async def play(lab: Lab) -> None:
        claims_of(lab, 12)
        await lab.passes(3.0)
        # Its watches bring nothing for a while, as where it was stopped itself.
        lab.server.faults.append(Fault("WATCH", 503, {"reason": "ServiceUnavailable"}, times=40))
        lab.server.cut_watches()
        await lab.passes(20.0)
        lab.server.faults.clear()
        await lab.passes(120.0)
        assert not lab.moves

    run(play)
