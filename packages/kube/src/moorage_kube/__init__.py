"""Controllers on Kubernetes: client, informers, queue, reconciler, leader election, manager."""
