"""``moorage-core check`` and ``clean-up`` under the rights that the chart gives them."""

from __future__ import annotations

import pytest
from core_lab import GROUP, CoreLab
from lab_rights import grant

from moorage_testing.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.usefixtures("alone")

ACCOUNT = "commands/moorage-core"


@pytest.fixture
def flags(lab: CoreLab) -> tuple[str, ...]:
    """Of a release of its own, exactly as it is rendered."""
    kubeconfig = lab.cluster.kubeconfig_for(ACCOUNT)
    grant(lab.cluster, ACCOUNT, clean_up=True)
    namespace, _ = ACCOUNT.split("/")
    return ("--kubeconfig", str(kubeconfig), "--lease-namespace", namespace)


def ended(lab: CoreLab, word: str, flags: tuple[str, ...]) -> tuple[int | None, str]:
    """Run a command to its end; returns its exit code and what it said."""
    child = lab.start("", *flags, word=word)
    try:
        wait_for(lambda: child.returncode is not None, 2 * PATIENCE, f"{word} to end")
    finally:
        child.stop()
    return child.returncode, child.log.read_text()


def test_a_controller_that_leads_passes_the_check(lab: CoreLab, flags: tuple[str, ...]) -> None:
    core = lab.started("", *flags)
    code, said = ended(lab, "check", flags)
    assert code == 0, said
    assert "a controller leads, and every kind is served" in said
    assert core.stop() == 0


@pytest.mark.parametrize("leading", [True, False], ids=["beside a release", "without one"])
def test_the_clean_up_takes_every_address_off(
    lab: CoreLab,
    flags: tuple[str, ...],
    leading: bool,  # noqa: FBT001 - a column of the table
) -> None:
    pool, ips = lab.pool(2), lab.addresses(2)
    core = lab.started("", *flags)
    name = lab.allocate(pool, ips)
    for ip in ips:
        lab.wait_bound(name, ip)
    if not leading:
        assert core.stop() == 0
    code, said = ended(lab, "clean-up", flags)
    assert code == 0, said
    assert "no NetIPAllocation is left" in said
    assert lab.cluster.request("GET", GROUP)["items"] == []
    assert [lab.where(pool, ip) for ip in ips] == ["", ""]
    assert lab.labelled(pool) == {}
    core.stop()
