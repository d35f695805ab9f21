"""Addresses, plans, reasons, errors and the provider protocol of Moorage: pure, standard library only."""
