"""Credentials that the cloud refuses, or that are not there, are reported on the object."""

from __future__ import annotations

from core_lab import CoreLab

from moorage_testing.faults import Fault


def test_rejected_credentials_are_reported_and_nothing_is_lost(lab: CoreLab) -> None:
    child = lab.started()
    try:
        pool, ips = lab.pool(1), lab.addresses(1)
        name = lab.allocate(pool, ips)
        node = lab.wait_bound(name, ips[0])
        lab.emulator.faults.inject(
            Fault(
                op=".*", status=401, code="AuthFailure", message="not able to validate", times=None
            )
        )
        lab.wait_reason(name, ips[0], "CredentialsRejected")
        assert set(lab.labelled(pool)) == {node}
        assert "secret" not in child.log.read_text()
        lab.emulator.faults.clear()
        lab.wait_reason(name, ips[0], "Bound")
    finally:
        lab.emulator.faults.clear()
        child.stop()


def test_no_credentials_at_all_are_reported(lab: CoreLab) -> None:
    child = lab.started("", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    try:
        pool, ips = lab.pool(1), lab.addresses(1)
        name = lab.allocate(pool, ips)
        lab.wait_reason(name, ips[0], "CredentialsRejected")
    finally:
        child.stop()
