"""A process: settings, start, plug-ins, shutdown."""
