"""Tools for testing Moorage: a control plane, clouds, faults and the provider contract."""
