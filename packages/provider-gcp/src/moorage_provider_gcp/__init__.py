"""External IP addresses of Google Compute Engine for Moorage."""
