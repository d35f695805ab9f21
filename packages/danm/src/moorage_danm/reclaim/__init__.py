"""The reclaim of addresses: who has one that nobody uses any more, and how it comes free."""
