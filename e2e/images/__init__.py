"""The images of the controllers: ``./nox -s images -- --help``."""
