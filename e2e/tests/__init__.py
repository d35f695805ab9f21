"""What users do with the chart, on a cluster: ``./nox -s e2e -- --help``."""
