"""Webhooks: a function that decides, served over HTTPS on every replica."""
