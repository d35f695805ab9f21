"""Emulated clouds: one in memory, the others real enough to be spoken to over HTTP."""
