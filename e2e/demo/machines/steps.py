"""The steps of the demo, as data: what is done, and what must be observed.

was = the observation before the step, now = the present one.

step      what is done              what one observation must show
--------  ------------------------  ------------------------------------------------------------
created   20 Machines               20 VMs with 20 addresses; each Bound; the pool counts them
deleted   delete the first 6        14 VMs as before; 6 addresses Quarantined, and counted so
waiting   12 more Machines          9 have new addresses, none a resting one; 3 are told till when
reused    make the rest shorter     26 VMs, 26 addresses; nobody waits; nothing rests
released  delete all Machines       no VM, no claim, no IPAllocation; the pool is free
"""

from __future__ import annotations

from e2e.demo.machines.installation import Installation
from e2e.demo.machines.manifests import ADDRESSES
from e2e.demo.machines.observed import BOUND, Observed
from e2e.demo.step import Moment, Step

SET, GONE, MORE = range(1, 21), range(1, 7), range(21, 33)
LEFT = len(SET) - len(GONE)
WAITING = len(MORE) - (ADDRESSES - len(SET))
SHORT_REST_SECONDS = 1


def each_its_own(count: int) -> Moment[Observed]:
    """So many VMs run, each with one address that no other has."""
    return Moment(
        "VMs",
        f"{count} VMs, each with an address of its own",
        lambda _, now: len(now.vms) == len(now.addresses) == len(set(now.addresses)) == count,
    )


def bound_as_they_run(_: Observed, now: Observed) -> bool:
    """Just the addresses of VMs are bound."""
    return {ip for ip, phase in now.records.items() if phase == BOUND} == set(now.addresses)


def counted(_: Observed, now: Observed) -> bool:
    """The pool says what the records say."""
    pool, resting = now.pool, len(now.resting)
    return (
        pool.quarantined == resting
        and pool.free == ADDRESSES - len(now.records)
        and pool.total == ADDRESSES
    )


def others_untouched(was: Observed, now: Observed) -> bool:
    """Each VM that runs has the address that it had."""
    return all(was.vms.get(name) == addresses for name, addresses in now.vms.items())


def none_that_rests(was: Observed, now: Observed) -> bool:
    """What was released before is still given to nobody."""
    return was.resting == now.resting and not was.resting & set(now.addresses)


def told_until_when(_: Observed, now: Observed) -> bool:
    """Each claim that waits says when the next address comes free."""
    return len(now.waiting) == WAITING and all(
        "comes free at" in one for one in now.waiting.values()
    )


def _range(_: Observed, now: Observed) -> str:
    return f"{len(now.vms)} VMs run; the first starts with {now.kargs}"


def _resting(_: Observed, now: Observed) -> str:
    return f"{', '.join(sorted(now.resting, key=_number))} rest, {now.pool.free} are free"


def _told(_: Observed, now: Observed) -> str:
    name = min(now.waiting)
    return f"{len(now.waiting)} wait; {name}: {now.waiting[name]}"


def _number(ip: str) -> tuple[int, ...]:
    return tuple(map(int, ip.split(".")))


_COUNTED = Moment("pool", "the pool's status with the same counts", counted)
_BOUND = Moment("records", "an IPAllocation Bound for each VM's address", bound_as_they_run)

STEPS: tuple[Step[Installation, Observed], ...] = (
    Step(
        "created",
        f"create {len(SET)} Machines that take an address from the pool",
        lambda installation, _: installation.create(SET),
        (each_its_own(len(SET)), _BOUND, _COUNTED),
        _range,
    ),
    Step(
        "deleted",
        f"delete {len(GONE)} of them",
        lambda installation, _: installation.delete(GONE),
        (
            each_its_own(LEFT),
            Moment("others", "every other VM with the address that it had", others_untouched),
            Moment(
                "records",
                f"{len(GONE)} addresses Quarantined",
                lambda was, now: len(now.resting) == len(GONE) and bound_as_they_run(was, now),
            ),
            _COUNTED,
        ),
        _resting,
    ),
    Step(
        "waiting",
        f"create {len(MORE)} more: there are not as many free",
        lambda installation, _: installation.create(MORE),
        (
            each_its_own(LEFT + len(MORE) - WAITING),
            Moment("rest", "what was released given to nobody", none_that_rests),
            Moment("claims", "who waits told until when", told_until_when),
            _COUNTED,
        ),
        _told,
    ),
    Step(
        "reused",
        f"edit the pool: reuse-delay-seconds: {SHORT_REST_SECONDS}",
        lambda installation, _: installation.rest(SHORT_REST_SECONDS),
        (
            each_its_own(LEFT + len(MORE)),
            _BOUND,
            Moment("claims", "nobody waiting", lambda _, now: not now.waiting),
            _COUNTED,
        ),
        lambda _, now: f"{len(now.vms)} VMs run, nobody waits, {now.pool.free} are free",
    ),
    Step(
        "released",
        "delete all Machines",
        lambda installation, was: installation.delete_all(was.machines),
        (
            each_its_own(0),
            Moment("claims", "no claim", lambda _, now: not now.claims and not now.machines),
            Moment("records", "no IPAllocation", lambda _, now: not now.records),
            _COUNTED,
        ),
        lambda _, now: f"all {now.pool.free} addresses are free",
    ),
)
