"""Services whose endpoints are addresses of secondary networks."""
