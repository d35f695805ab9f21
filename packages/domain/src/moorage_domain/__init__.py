"""Addresses, claims, nodes, plans, reasons, conditions and RBAC: pure, standard library only."""
