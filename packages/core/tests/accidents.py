"""What ends a pass of the simulated controller before its time."""


class Crash(BaseException):
    """The controller's process ends here."""


class ApiError(Exception):
    """The API server refuses or does not answer; the pass ends here."""
