"""Addresses, plans, reasons, errors and the provider protocol: pure, standard library only."""
