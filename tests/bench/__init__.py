"""The benchmarks: what Moorage promises in figures, measured where they run."""
