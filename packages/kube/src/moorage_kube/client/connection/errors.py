"""The error of a configuration that cannot work."""

from __future__ import annotations


class ConfigError(Exception):
    """One line that names the file, the field, the value and the way out."""
