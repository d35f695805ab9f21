"""An embedded control plane, cloud emulators, fault injection and the provider contract for tests of Moorage."""
