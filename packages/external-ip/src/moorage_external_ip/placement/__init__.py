"""Which node has each address: who is live, the choice, moves, and what a claim says of it."""
