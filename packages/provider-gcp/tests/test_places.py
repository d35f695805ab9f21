"""On which interface an address is: seldom looked up, and still noticed when it changes."""

from dataclasses import replace

import pytest

from moorage_provider.errors import Unavailable
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder
from moorage_provider_gcp import places
from moorage_provider_gcp.places import LOOKS_PER_READ, Places


def on(number: int, machine_id: str = "") -> CloudAddress:
    """The address of this number, on an instance."""
    holder = MachineHolder(machine_id or f"p/z/vm-{number}")
    return CloudAddress(f"192.0.2.{number}", "reference", holder, token=holder.machine_id)


class Looks:
    """Answers which interface has an address, and keeps which were asked for.

    Attributes:
        asked: the addresses, in order.
        beside: those that are on another interface than the own one.
        broken: nothing is answered.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.beside: set[str] = set()
        self.broken = False

    def __call__(self, address: CloudAddress) -> str:
        self.asked.append(address.ip)
        if self.broken:
            raise Unavailable("no answer")
        return "interface nic1" if address.ip in self.beside else ""


@pytest.fixture
def looks() -> Looks:
    return Looks()


def misplaced(known: Places, looks: Looks, *addresses: CloudAddress) -> set[str]:
    """Those of these addresses that a read shows on another interface."""
    shown = known.shown({one.ip: one for one in addresses}, looks)
    assert list(shown) == [one.ip for one in addresses]
    holders = {ip: one.holder for ip, one in shown.items()}
    return {ip for ip, one in holders.items() if isinstance(one, MachineHolder) and one.misplaced}


def test_a_place_is_looked_up_once_and_trusted_for_a_while(looks: Looks) -> None:
    known = Places()
    free, elsewhere = replace(on(2), holder=None), replace(on(3), holder=OtherHolder("a rule"))
    for _ in range(3):
        assert misplaced(known, looks, on(1), free, elsewhere) == set()
    assert looks.asked == ["192.0.2.1"]


def test_harm_08_a_move_between_interfaces_is_noticed_once_the_place_is_not_trusted_any_more(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Places()
    known.put("192.0.2.1", "p/z/vm-1")
    looks.beside = {"192.0.2.1"}
    assert misplaced(known, looks, on(1)) == set()
    monkeypatch.setattr(places, "TRUSTED_SECONDS", 0.0)
    assert misplaced(known, looks, on(1)) == {"192.0.2.1"}
    looks.beside.clear()
    assert misplaced(known, looks, on(1)) == set()


def test_harm_08_the_same_address_on_another_instance_is_another_place(looks: Looks) -> None:
    known = Places()
    assert misplaced(known, looks, on(1)) == set()
    looks.beside = {"192.0.2.1"}
    assert misplaced(known, looks, on(1, "p/z/other")) == {"192.0.2.1"}


def test_harm_08_what_is_misplaced_for_long_keeps_no_other_from_being_looked_up(
    looks: Looks,
) -> None:
    known = Places()
    every = [on(number) for number in range(1, 2 * LOOKS_PER_READ + 2)]
    looks.beside = {one.ip for one in every}
    seen = [misplaced(known, looks, *every) for _ in range(3)]
    assert [len(ips) for ips in seen] == [LOOKS_PER_READ, 2 * LOOKS_PER_READ, len(every)]
    # What was seen is shown until it is seen otherwise.
    assert misplaced(known, looks, *every) == looks.beside
    assert len(looks.asked) == 4 * LOOKS_PER_READ


def test_harm_10_a_look_that_fails_spoils_no_read_once_the_place_is_known(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "TRUSTED_SECONDS", 0.0)
    known = Places()
    looks.beside = {"192.0.2.1"}
    assert misplaced(known, looks, on(1), on(2)) == {"192.0.2.1"}
    looks.broken = True
    assert misplaced(known, looks, on(1), on(2)) == {"192.0.2.1"}
    with pytest.raises(Unavailable):
        misplaced(known, looks, on(1), on(2), on(3))


def test_what_is_taken_off_is_forgotten(looks: Looks) -> None:
    known = Places()
    looks.beside = {"192.0.2.1"}
    assert misplaced(known, looks, on(1)) == {"192.0.2.1"}
    known.taken("192.0.2.1", "p/z/vm-1")
    looks.beside.clear()
    assert misplaced(known, looks, on(1)) == set()
    known.put("192.0.2.1", "p/z/vm-1")
    assert misplaced(known, looks, on(1)) == set()
    assert len(looks.asked) == 2
