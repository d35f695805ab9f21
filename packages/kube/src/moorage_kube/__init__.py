"""The door to Kubernetes: client, reflector, queue, leadership and operator shell."""
