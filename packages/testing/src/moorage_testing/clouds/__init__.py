"""Emulated clouds: one in memory, the others over HTTP."""
