"""The cloud's real state, and its faults; without a provider."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import quote

from tests.bench.emulated import EmulatedCloud

from moorage_testing.faults import Fault


@dataclass(frozen=True, slots=True)
class _Refusals:
    """Status and code of two kinds of refusals of one cloud."""

    throttled: tuple[int, str]
    broken: tuple[int, str]


_REFUSALS = {
    "aws": _Refusals((503, "RequestLimitExceeded"), (500, "InternalError")),
    "gcp": _Refusals((403, "rateLimitExceeded"), (503, "backendError")),
    "azure": _Refusals((429, "TooManyRequests"), (500, "InternalServerError")),
}


@dataclass(frozen=True, slots=True)
class Account:
    """The control paths of the emulated cloud."""

    cloud: EmulatedCloud

    def holders(self) -> dict[str, str]:
        """All reserved addresses, each with the machine that has it, ``""`` = none."""
        return self.cloud.holders()

    def violations(self) -> list[str]:
        """Requests so far that break the cloud's official description."""
        violations: list[str] = self.cloud.request("GET", "moorage/violations")
        return violations

    def terminate(self, machine: str) -> None:
        """Delete a machine; its address is free then."""
        held = [ip for ip, holder in self.holders().items() if holder == machine]
        self.cloud.request("POST", f"moorage/instances/{quote(machine, safe='')}/terminate")
        if self.cloud.cloud.name == "azure":
            # Node pools delete the interface with the machine; here it stays, with the address.
            for ip in held:
                self.cloud.request("POST", f"moorage/addresses/{ip}/disassociate")

    def fail(self, share: float) -> None:
        """Make this share of all calls fail from now on, each kind of failure equally often."""
        refusals = _REFUSALS[self.cloud.cloud.name]
        for fault in faults(share, refusals.throttled, refusals.broken):
            sent = {k: v for k, v in asdict(fault).items() if k not in ("error", "late_error")}
            self.cloud.request("POST", "moorage/faults", sent)

    def heal(self) -> None:
        """End all failures."""
        self.cloud.request("DELETE", "moorage/faults")


def faults(share: float, throttled: tuple[int, str], broken: tuple[int, str]) -> tuple[Fault, ...]:
    """Throttling, errors of the cloud, connections that break before the work and after it.

    A fault is tried only if those before it did not strike, so each chance is relative to the rest.
    """
    each = share / 4
    chances = [each / (1 - each * before) for before in range(4)]
    return (
        Fault(op=".*", times=None, chance=chances[0], status=throttled[0], code=throttled[1]),
        Fault(op=".*", times=None, chance=chances[1], status=broken[0], code=broken[1]),
        Fault(op=".*", times=None, chance=chances[2], drop="before"),
        Fault(op=".*", times=None, chance=chances[3], drop="after"),
    )
