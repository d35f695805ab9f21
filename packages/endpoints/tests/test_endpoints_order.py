"""Within one pass what is new is stored before what it replaces goes, also where a write fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from endpoints_lab import NS, Lab, Union, play, status

from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_testing.apiserver import Fault

Change = Callable[[Lab], None]


def other_ports(lab: Lab) -> None:
    lab.edit(spec={"ports": [{"port": 80, "targetPort": 9999}]})


def other_pods(lab: Lab) -> None:
    lab.annotate(selector="app=next")


def other_network(lab: Lab) -> None:
    lab.annotate(networks="more")


def ready_elsewhere(lab: Lab) -> None:
    """The last ready pod of one slice ends while one of another slice becomes ready."""
    lab.ready("db-1", ready=True)
    lab.ready("db-0", ready=False)


def arrange(lab: Lab) -> None:
    lab.network(f"{NS}/more")
    lab.service()
    for number in range(2):
        lab.pod(f"db-{number}", f"10.1.0.{number + 1}", ready=number == 0)
        meta = {"labels": {"app": "next"}, "annotations": {}}
        meta["annotations"] = {STATUS_ANNOTATION: status(f"10.2.0.{number + 1}")}
        lab.pod(f"next-{number}", meta=meta)
    more = [
        {"name": f"{NS}/net", "interface": "net1", "ips": ["10.1.0.1"]},
        {"name": f"{NS}/more", "interface": "net2", "ips": ["10.3.0.1"]},
    ]
    lab.pod("db-0", status=more)


@pytest.mark.parametrize("change", [other_ports, other_pods, other_network, ready_elsewhere])
@pytest.mark.parametrize("verb", ["", "POST", "PUT", "DELETE"])
def test_no_reader_sees_the_service_empty(change: Change, verb: str) -> None:
    async def story(lab: Lab) -> None:
        arrange(lab)
        await lab.settle()
        union = Union(lab.server, "web")
        assert union.now()
        if verb:
            lab.server.faults.append(Fault(verb, 500, {"reason": "InternalError"}, times=2))
        change(lab)
        await lab.settle()
        lab.server.faults.clear()
        await lab.settle()
        assert union.seen
        assert frozenset() not in union.seen

    play(story)


def test_of_two_slices_the_one_that_gains_a_ready_endpoint_is_written_first() -> None:
    async def story(lab: Lab) -> None:
        lab.service(ports=[{"port": 80, "targetPort": "sql"}])
        for number in range(2):
            port = {"name": "sql", "containerPort": 5432 + number}
            spec = {"containers": [{"name": "c", "ports": [port]}]}
            lab.pod(f"db-{number}", f"10.1.0.{number + 1}", ready=number == 0, spec=spec)
        await lab.settle()
        assert len(lab.slices()) == 2
        for gains, loses in ((1, 0), (0, 1)):
            union = Union(lab.server, "web")
            lab.ready(f"db-{gains}", ready=True)
            lab.ready(f"db-{loses}", ready=False)
            await lab.settle()
            assert frozenset() not in union.seen
            assert union.now() == {f"10.1.0.{gains + 1}"}

    play(story)


def test_an_emptied_slice_goes_only_after_the_new_one_is_stored() -> None:
    async def story(lab: Lab) -> None:
        arrange(lab)
        await lab.settle()
        lab.writes()
        other_ports(lab)
        await lab.settle()
        assert [one.partition(" ")[0] for one in lab.writes()] == ["POST", "DELETE"]
        assert len(lab.slices()) == 1

    play(story)
