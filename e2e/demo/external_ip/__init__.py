"""The part external-ip: the address of a Service leaves a node whose agent is killed."""
