"""What the process reports: metrics, probes, logs, Events."""
