"""Static addresses for machines, from pools; each address has one owner at any time."""
