"""Net-attach-defs that do not vanish under the pods that use them."""
