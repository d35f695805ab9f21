"""The demo: a reserved address leaves a drained node for a healthy one."""
