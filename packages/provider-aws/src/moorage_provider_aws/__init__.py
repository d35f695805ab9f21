"""Elastic IP addresses of Amazon EC2 for Moorage."""
