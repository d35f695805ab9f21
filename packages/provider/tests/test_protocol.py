"""The values exchanged with a cloud can be compared."""

from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder, PendingMutation


def test_a_holder_that_is_a_machine_is_never_taken_for_a_service() -> None:
    machine = CloudAddress("203.0.113.10", "eipalloc-1", MachineHolder("i-1"))
    service = CloudAddress("203.0.113.10", "eipalloc-1", OtherHolder("i-1"))
    assert machine != service


def test_an_operation_is_done_unless_it_says_how_to_go_on() -> None:
    assert PendingMutation().done
    assert not PendingMutation("op-1", done=False).done
