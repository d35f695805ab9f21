"""Programs that people or CI run on a whole cluster."""
