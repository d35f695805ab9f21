"""The part machines: static addresses for Machines."""
