"""The agent on a node: it holds the addresses of IpClaims and announces them."""
