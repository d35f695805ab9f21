"""Public IP addresses of Microsoft Azure for Moorage."""
