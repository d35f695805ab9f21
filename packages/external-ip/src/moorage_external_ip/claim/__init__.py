"""Claims: whose address each is, who uses it, and when it goes."""
