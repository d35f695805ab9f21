"""The credentials for Google, and the checks before every attempt at a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials, TokenState
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account

from moorage_provider import deadline
from moorage_provider.errors import InvalidOptions
from moorage_provider_gcp.settings import Settings

_SCOPES = ("https://www.googleapis.com/auth/compute",)
_WAIT = "/wait"


class Gate(Credentials):
    """Credentials that check the deadline and the fence.

    The only public place in the SDK that is called before every attempt, also before its own
    retries when a token is refused.

    Attributes:
        expiring: the token of the last request should have been renewed.
    """

    def __init__(self, inner: Any, fence: Callable[[], None]) -> None:  # noqa: ANN401 - google-auth says little of its types
        super().__init__()  # type: ignore[no-untyped-call]  # google-auth says little of its types
        self._inner = inner
        self._fence = fence
        self.expiring = False

    @property
    def universe_domain(self) -> str:
        domain: str = self._inner.universe_domain
        return domain

    def before_request(self, request: Any, method: str, url: str, headers: Any) -> None:  # noqa: ANN401 - see above
        deadline.check()
        # It may fetch a token, so the deadline is checked again.
        self._authorize(request, method, url, headers)
        deadline.check()
        # To wait for an operation is a POST that changes nothing.
        if method != "GET" and not url.endswith(_WAIT):
            self._fence()

    def _authorize(self, request: Any, method: str, url: str, headers: Any) -> None:  # noqa: ANN401 - see above
        """Put the token into the headers; renew it first where that is due.

        google-auth wants another token from 3 min 45 s before the end, and fails at once where
        there is none. The old token is valid until its end, which leaves time for a repair.
        """
        try:
            self._inner.before_request(request, method, url, headers)
        except (GoogleAuthError, OSError):
            if self._inner.token_state is TokenState.INVALID:
                raise
            self._inner.apply(headers)
        self.expiring = self._inner.token_state is TokenState.STALE

    def refresh(self, request: Any) -> None:  # noqa: ANN401 - see above
        deadline.check()
        self._inner.refresh(request)


def found(settings: Settings, fence: Callable[[], None]) -> tuple[Gate, str]:
    """Credentials and the project. Raises ``InvalidOptions`` if the project is unknown.

    Args:
        settings: from the environment; google-auth finds the credentials.
        fence: called before every mutation.
    """
    inner: Any
    project: str | None = settings.project
    if settings.anonymous:
        inner = AnonymousCredentials()  # type: ignore[no-untyped-call]  # see above
    else:
        inner, own = google.auth.default(scopes=_SCOPES)
        project = project or own
        if isinstance(inner, service_account.Credentials):
            # The SDK does this for credentials that it finds itself: a self-signed token needs no
            # request.
            inner = inner.with_always_use_jwt_access(True)  # type: ignore[no-untyped-call]  # noqa: FBT003 - its own signature
    if not project:
        raise InvalidOptions("there is no project: set MOORAGE_GCP_PROJECT or GOOGLE_CLOUD_PROJECT")
    return Gate(inner, fence), project
