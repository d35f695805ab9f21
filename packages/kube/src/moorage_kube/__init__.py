"""The door to Kubernetes for Moorage controllers: client, reflector, queue, leadership and operator shell."""
