"""The part endpoints: a Service is handed over to a secondary network, and its net-attach-def."""
