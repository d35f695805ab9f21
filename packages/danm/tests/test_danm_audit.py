"""Audit: addresses that are in use by a network's bits, and that nobody has."""

from __future__ import annotations

from lab_danm import Lab, play

STATIC = {"network": "net", "ip": "10.0.0.5"}


async def with_a_leak(lab: Lab) -> None:
    lab.net("routed", "10.9.0.0/24", routes={"0.0.0.0/0": "10.9.0.1"})
    lab.set_bits("routed", {0, 1, 255})
    lab.pod("live", "b", STATIC)
    await lab.started("live")
    lab.set_bits("net", {0, 5, 9, 255})


def test_leaked_addresses_are_reported_and_stay() -> None:
    async def story(lab: Lab) -> None:
        await with_a_leak(lab)
        await lab.run(550.0)
        assert "Leaked" not in lab.reasons()
        labels = {"network_kind": "DanmNet", "network_namespace": "apps", "network": "net"}
        assert lab.metric("moorage_danm_leaked_addresses", **labels) == 0.0
        await lab.run(120.0)
        (said,) = lab.messages("Leaked")
        assert "10.0.0.9" in said
        assert "10.0.0.5" not in said
        assert lab.metric("moorage_danm_leaked_addresses", **labels) == 1.0
        await lab.run(1800.0)
        assert lab.bits("net") == {5, 9}
        assert lab.network_writes() == 0
        assert len(lab.messages("Leaked")) == 1

    play(story)


def test_leaked_addresses_are_freed_where_that_is_wanted() -> None:
    async def story(lab: Lab) -> None:
        await with_a_leak(lab)
        await lab.run(700.0)
        assert lab.bits("net") == {5}
        assert lab.bits("routed") == {1}
        assert lab.network_writes() == 1
        await lab.run(1800.0)
        assert lab.network_writes() == 1

    play(story, audit="free")


def test_an_address_that_was_free_in_between_is_not_leaked() -> None:
    async def story(lab: Lab) -> None:
        await with_a_leak(lab)
        await lab.run(500.0)
        lab.set_bits("net", {0, 5, 255})
        await lab.run(1.0)
        # Somebody has reserved it, and its endpoint is not there yet.
        lab.set_bits("net", {0, 5, 9, 255})
        await lab.run(400.0)
        assert lab.bits("net") == {5, 9}
        await lab.run(400.0)
        assert lab.bits("net") == {5}

    play(story, audit="free")


def test_the_audit_can_be_switched_off() -> None:
    async def story(lab: Lab) -> None:
        await with_a_leak(lab)
        await lab.run(3600.0)
        assert "Leaked" not in lab.reasons()

    play(story, audit="off")
