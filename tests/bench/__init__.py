"""The benchmarks: the figures that Moorage promises, measured on this machine."""
