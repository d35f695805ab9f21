"""External addresses for Services on bare metal: from pools, shared, and placed on nodes."""
