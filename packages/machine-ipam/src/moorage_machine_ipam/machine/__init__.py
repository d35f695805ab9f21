"""Machines that wait for their addresses by a lifecycle hook, and addresses that Machines name."""
