"""The series of endpoints: what they count, and that only the leader has them."""

from __future__ import annotations

from endpoints_lab import Lab, entry, play

from moorage_endpoints import names
from moorage_endpoints.caches import Caches
from moorage_endpoints.metrics import Gauges
from moorage_endpoints.modes import Mode

Series = dict[tuple[str, str], float]


def read(lab: Lab) -> Series:
    """All gauges by name and label."""
    assert lab.world.manager is not None
    return {
        (sample.name, next(iter(sample.labels.values()))): sample.value
        for family in lab.world.manager.registry.collect()
        if family.name.startswith("moorage_endpoints_")
        for sample in family.samples
        if len(sample.labels) == 1
    }


def test_services_slices_endpoints_and_warnings_are_counted() -> None:
    async def story(lab: Lab) -> None:
        lab.service("web", ipFamilies=["IPv4", "IPv6"])
        lab.service("b", selector={"app": "db"}, notes={names.MODE: "companion"})
        lab.service("c", notes={names.NETWORKS: "a,,b"})
        lab.service("others", notes={names.NETWORKS: None, names.SELECTOR: None})
        lab.pod("db-0", "10.1.0.1", "2001:db8::1")
        lab.pod("db-1", "10.1.0.2", ready=False)
        lab.pod("db-2", status=[entry("10.1.0.3", name="shop/other")])
        await lab.settle()
        found = read(lab)
        assert {key[1]: one for key, one in found.items() if key[0].endswith("_services")} == {
            "slices": 2.0,  # and the companion
            "companion": 1.0,
            "frozen": 1.0,
        }
        assert found["moorage_endpoints_slices", "IPv4"] == 2.0
        assert found["moorage_endpoints_slices", "IPv6"] == 1.0
        assert found["moorage_endpoints_endpoints", "true"] == 3.0
        assert found["moorage_endpoints_endpoints", "false"] == 2.0
        assert found["moorage_endpoints_service_warnings", "NoAddressOnNetwork"] == 2.0
        assert found["moorage_endpoints_service_warnings", "InvalidNetworkSelection"] == 1.0
        lab.annotate("c", networks="net")
        await lab.settle()
        after = read(lab)
        assert ("moorage_endpoints_service_warnings", "InvalidNetworkSelection") not in after

    play(story)


def test_only_the_leader_has_them() -> None:
    caches = Caches(lambda: 0.0)
    assert list(Gauges(caches, Mode.REPORT, dict, lambda: False).read()) == []
    assert list(Gauges(caches, Mode.REPORT, dict, lambda: True).read()) != []
